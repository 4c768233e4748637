"""`whisper-server`: reads the settings, serves, and ends with a code and a message that the operator understands."""

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

from whisper_contract.digest import format_digest
from whisper_contract.reasons import EXIT_RETRY, EXIT_USAGE, FAILURES, Reason
from whisper_contract.termination import TerminationMessage
from whisper_server.allocator import keep_freed_memory
from whisper_server.artifact import ArtifactMissingError, open_artifact
from whisper_server.configuration.reading import misspelt_variables, parse_settings
from whisper_server.configuration.settings import Settings
from whisper_server.configuration.values import SettingsError
from whisper_server.golden_clip import GoldenClipError
from whisper_server.operations.logs import configure_logging
from whisper_server.security.mounted import MountedFileError
from whisper_server.serve import BrokenError, LoadEngine, WarmUpError, load_whisper, serve

_STEP = "serve"

log = logging.getLogger(__name__)


def main() -> NoReturn:
    """Run the command and end the process.

    It does not wait for threads: one may still be at work on a request that was given up when the grace period ended,
    and a model's work cannot be interrupted.
    """
    keep_freed_memory()
    exit_code = run(sys.argv[1:])
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def run(arguments: list[str]) -> int:
    """Serve until told to end, and return the exit code."""
    try:
        settings = parse_settings(arguments)
    except SettingsError as error:
        print(f"whisper-server: {error}", file=sys.stderr)  # noqa: T201 - there are no settings to log by yet
        return EXIT_USAGE
    configure_logging(settings.log_format, settings.log_level)
    for sentence in misspelt_variables():
        log.warning("%s", sentence)
    return serve_artifact(settings)


def serve_artifact(settings: Settings, load_engine: LoadEngine = load_whisper) -> int:
    """Serve what the settings name until told to end, and return the exit code."""
    digest = None
    try:
        artifact = open_artifact(settings.model)
        digest = format_digest(artifact.manifest.digest)
        asyncio.run(serve(settings, artifact, load_engine))
    except ArtifactMissingError as error:
        return _fail(settings.termination_log, Reason.ARTIFACT_MISSING, str(error), digest)
    except (WarmUpError, BrokenError) as error:
        return _fail(settings.termination_log, Reason.WARM_UP_FAILED, str(error), digest)
    except GoldenClipError as error:
        return _fail(settings.termination_log, Reason.GOLDEN_CLIP_FAILED, str(error), digest)
    except MountedFileError as error:
        return _fail(settings.termination_log, Reason.SPEC_INVALID, str(error), digest)
    except OSError as error:
        log.error("%s", error)  # noqa: TRY400 - a port that is taken needs no traceback
        return EXIT_RETRY
    return 0


def _fail(termination_log: Path, reason: Reason, message: str, digest: str | None) -> int:
    failure = FAILURES[reason]
    log.error("%s: %s", reason, message, extra={"reason": str(reason), "next_step": failure.next_step})
    leave_message(termination_log, TerminationMessage(_STEP, reason, message, digest=digest))
    return failure.exit_code


def leave_message(termination_log: Path, message: TerminationMessage) -> None:
    """Write `message` where kubelet reads it; where that file is not, there is no kubelet, and none is made."""
    try:
        with termination_log.open("r+b") as file:
            file.truncate()
            file.write(message.encode())
    except OSError as error:
        log.debug("no termination message: %s", error)
