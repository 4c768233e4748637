"""The command ``whisper-model``."""

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import FrameType
from typing import NoReturn

from whisper_contract.reasons import EXIT_RETRY
from whisper_loader import log
from whisper_loader.commands import convert, gc, job, listing, pack, pull, push, verify
from whisper_loader.commands.common import print_json
from whisper_loader.errors import LoaderError
from whisper_loader.unexpected import as_loader_error

_EXIT_SIGTERM = 128 + signal.SIGTERM
_EXIT_SIGINT = 128 + signal.SIGINT
_EXIT_SIGPIPE = 128 + signal.SIGPIPE
_UMASK = 0o022
_CREDENTIALS = re.compile(r"(?<![^\s'\"])[^\s'\"]*@")

_DETAILS = """\
the usual way:
  whisper-model pack ./my-whisper -o my-whisper.tar.zst       make one file of a model
  whisper-model push my-whisper.tar.zst s3://models/          upload it; prints the WhisperModel to apply
  whisper-model pull s3://models/my-whisper.tar.zst --store /srv/models        or use it on this machine
  whisper-server --model /srv/models/artifacts/<digest>

exit codes: 0 done; 1 may be tried again; 2 wrong usage; 64 to 113 one for each reason that only a person can mend.
Results go to standard output, everything else to standard error. whisper-model COMMAND --help says more.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    log.set_up()
    # A path may hold bytes that are no text, a manifest letters that the terminal lacks: neither ends a command.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # it is a file, as everywhere
    os.umask(_UMASK)  # servers read what is published as another user
    signal.signal(signal.SIGTERM, _end_quietly)
    parsed = build_parser().parse_args(arguments)
    try:
        parsed.run(parsed)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _EXIT_SIGINT
    except BrokenPipeError:
        return _end_unheard()
    except Exception as error:  # noqa: BLE001  (the last border: nothing ends in a traceback)
        return _fail(as_loader_error(error), as_json=getattr(parsed, "json", False))
    return 0


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line without the credentials in it."""

    def error(self, message: str) -> NoReturn:
        super().error(_CREDENTIALS.sub("…@", message))


def build_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = _Parser(
        prog="whisper-model",
        description="Brings Whisper models into a store that transcription servers read, and packs and uploads them.",
        epilog=_DETAILS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version("whisper-operator"))
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (pull, pack, push, convert, verify, listing, gc, job):
        command.add_to(subparsers)
    return parser


def _end_quietly(_number: int, _frame: FrameType | None) -> NoReturn:
    """End as a signal would, after the staging folder was cleared; a second signal does not disturb that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(_EXIT_SIGTERM)


def _end_unheard() -> int:
    """End as a signal would when whoever read the output has gone, as `head` does; Python would write once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _EXIT_SIGPIPE


def _fail(error: LoaderError, *, as_json: bool) -> int:
    failure = error.failure
    log.logger.error("%s: %s", error.reason, "\n".join((error.message, *error.details, failure.next_step)))
    if as_json:
        details = {"details": list(error.details)} if error.details else {}
        print_json({"reason": error.reason, "message": error.message, "nextStep": failure.next_step, **details})
    return failure.exit_code or EXIT_RETRY


if __name__ == "__main__":
    sys.exit(main())
