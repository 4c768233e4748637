"""A step of the Job: runs it, and leaves what it came to where kubelet and the operator look for it."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from whisper_contract.digest import format_digest
from whisper_contract.reasons import Reason
from whisper_contract.store import JOB_UID_VARIABLE, POD_UID_VARIABLE
from whisper_contract.termination import TERMINATION_LOG, TerminationMessage
from whisper_loader.errors import LoaderError
from whisper_loader.log import logger
from whisper_loader.source import Resolved
from whisper_loader.steps import Published
from whisper_loader.store.gc import Item, Kind, Outcome, freed_bytes
from whisper_loader.store.staging import Staging

#: Where to write the termination message instead of `TERMINATION_LOG`.
TERMINATION_LOG_VARIABLE = "WHISPER_TERMINATION_LOG"
# Reasons of success, one for each step that answers something.
PUBLISHED, FREED, RESOLVED = "Published", "Freed", "Resolved"

_T = TypeVar("_T")
_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def staging_of_pod(store: Path) -> Staging:
    """Return this pod's staging folder.

    Raises:
        LoaderError: SpecInvalid when the environment does not name Job and pod.
    """
    uids = [os.environ.get(variable, "") for variable in (JOB_UID_VARIABLE, POD_UID_VARIABLE)]
    if not all(_UID.fullmatch(uid) for uid in uids):
        message = (
            f"{JOB_UID_VARIABLE} and {POD_UID_VARIABLE} must hold the uids of Job and pod (the downward API sets them)"
        )
        raise LoaderError(Reason.SPEC_INVALID, message)
    return Staging(store, *uids)


def run_step(staging: Staging, work: Callable[[], _T]) -> _T:
    """Run one step. What ends it early gives the volume its space back, unless another pod can go on half-way."""
    try:
        return work()
    except BaseException as error:
        if not (staging.can_go_on and _may_pass(error)):
            staging.discard()
        raise


def _may_pass(error: BaseException) -> bool:
    """Tell whether the same Job's next pod may succeed: after a signal, or a failure that is not permanent."""
    if isinstance(error, LoaderError):
        return not error.failure.permanent
    return not isinstance(error, Exception)


def tell_published(step: str, published: Published) -> None:
    """Leave the message of a success."""
    manifest = published.artifact.manifest
    _write(
        TerminationMessage(
            step=step,
            reason=PUBLISHED,
            message=f"{published.source} is published",
            digest=format_digest(manifest.digest),
            source=published.source,
            format=published.format,
            quantization=manifest.quantization,
            size_bytes=manifest.size_bytes,
        )
    )


def tell_freed(step: str, items: Sequence[Item]) -> None:
    """Leave the message of what was removed."""
    counted = {outcome: sum(item.outcome is outcome for item in items) for outcome in Outcome}
    artifacts = sum(item.outcome is Outcome.REMOVED and item.kind is Kind.ARTIFACT for item in items)
    freed = freed_bytes(items)
    parts = [f"{freed} bytes of {artifacts} artifacts and {counted[Outcome.REMOVED] - artifacts} leftovers are freed"]
    if counted[Outcome.SPARED]:
        parts.append(f"{counted[Outcome.SPARED]} younger than an hour are spared")
    if counted[Outcome.HELD]:
        parts.append(f"{counted[Outcome.HELD]} are still open somewhere and go the next time")
    _write(TerminationMessage(step=step, reason=FREED, message="; ".join(parts), size_bytes=freed))


def tell_resolved(step: str, resolved: Resolved) -> None:
    """Leave the message of what the source holds; no identity where that would be another the next time."""
    lasting = resolved.lasting
    message = "the source was asked" if lasting else "the server tells no version: no strong ETag, no Last-Modified"
    source = resolved.identity if lasting else None
    _write(TerminationMessage(step=step, reason=RESOLVED, message=message, source=source))


def tell_failure(step: str, error: LoaderError) -> None:
    """Leave the message of a failure."""
    _write(TerminationMessage(step=step, reason=error.reason, message=error.message))


def _write(message: TerminationMessage) -> None:
    path = Path(os.environ.get(TERMINATION_LOG_VARIABLE, TERMINATION_LOG))
    # Outside a pod nobody reads it, and nothing is made in /dev.
    if TERMINATION_LOG_VARIABLE not in os.environ and not path.exists():
        return
    try:
        path.write_bytes(message.encode())
    except OSError as error:
        logger.warning("the termination message could not be written to %s: %s", path, error.strerror)
