"""Kubernetes Events about a WhisperModel, for `kubectl describe`: one when what there is to know about it changes."""

from datetime import UTC, datetime

from whisper_operator.api import conditions as kinds
from whisper_operator.api import names
from whisper_operator.api.names import ModelKey
from whisper_operator.api.status import Status
from whisper_operator.reconcile.objects import JSON

# Limits of https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
_MAX_NOTE = 1_000


def transition(before: Status, after: Status) -> tuple[str, str, str] | None:
    """Return the type, reason and text of the event that the change is worth, or None."""
    old, new = before.condition(kinds.READY), after.condition(kinds.READY)
    if new is None or (old is not None and (old.status, old.reason) == (new.status, new.reason)):
        return None
    degraded = after.condition(kinds.DEGRADED)
    warns = degraded is not None and degraded.status == "True" and degraded.reason == new.reason
    return "Warning" if warns else "Normal", new.reason, new.message


def build_event(model: ModelKey, uid: str, event: tuple[str, str, str], reporter: str, now: datetime) -> JSON:
    """Return the Event to create; `reporter` is the operator's pod."""
    kind, reason, note = event
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": f"{model.name}-", "namespace": model.namespace},
        "eventTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": kind,
        "reason": reason,
        "note": note[:_MAX_NOTE],
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
