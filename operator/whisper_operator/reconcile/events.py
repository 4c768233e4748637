"""Events about a WhisperModel, for `kubectl describe`: its artifact, its source, and each change of its state."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from whisper_operator.api import conditions as kinds
from whisper_operator.api import names
from whisper_operator.api.names import ModelKey
from whisper_operator.api.status import Condition, Phase, Status
from whisper_operator.reconcile.objects import JSON

# Limits of https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
_MAX_NOTE_BYTES = 1_000

# What befell an artifact, where a condition's reason says why.
_REJECTED = "Rejected"


class Note(NamedTuple):
    """What an event says: its type (Normal or Warning), reason and text."""

    type: str
    reason: str
    text: str


def notes(before: Status, after: Status) -> Iterator[Note]:
    """Yield what is worth an event in the change of the status."""
    published = _changed(kinds.ARTIFACT_READY, before, after)
    if published is not None and published.status == "True":
        yield Note("Normal", published.reason, published.message)
    moved = _changed(kinds.UP_TO_DATE, before, after)
    if moved is not None and moved.status == "False":
        yield Note("Normal", moved.reason, moved.message)
    headline = _changed(kinds.READY, before, after)
    if headline is not None:
        degraded = after.condition(kinds.DEGRADED)
        warns = degraded is not None and degraded.status == "True" and degraded.reason == headline.reason
        yield Note("Warning" if warns else "Normal", headline.reason, headline.message)
    elif _is_rejected(after) and not _is_rejected(before):
        ready = after.condition(kinds.READY)
        yield Note("Warning", _REJECTED, ready.message if ready is not None else "")


def _is_rejected(status: Status) -> bool:
    return status.target is not None and status.target.state is Phase.REJECTED


def _changed(kind: str, before: Status, after: Status) -> Condition | None:
    """Return the condition as it is now if its status or reason is another than before."""
    old, new = before.condition(kind), after.condition(kind)
    if new is None or (old is not None and (old.status, old.reason) == (new.status, new.reason)):
        return None
    return new


def build_event(model: ModelKey, uid: str, note: Note, reporter: str, now: datetime) -> JSON:
    """Return the Event to create; `reporter` is the operator's pod.

    `kubectl describe` and `kubectl get events` look at times that an Event of this version must not have, and so
    leave them in the order of their names.
    """
    microseconds = int(now.timestamp() * 1_000_000)
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": f"{model.name}.{microseconds:x}-", "namespace": model.namespace},
        "eventTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": note.type,
        "reason": note.reason,
        "note": note.text.encode()[:_MAX_NOTE_BYTES].decode(errors="ignore"),
        "action": "Reconcile",
        "reportingController": f"{names.GROUP}/{names.MANAGER}",
        "reportingInstance": reporter,
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": model.name,
            "namespace": model.namespace,
            "uid": uid,
        },
    }
