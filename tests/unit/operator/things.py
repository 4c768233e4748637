"""Objects as an API server shows them, with just the fields that a test is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tests.support.objects import SETTINGS, model_of
from whisper_contract.termination import TerminationMessage
from whisper_operator.api.model import Model
from whisper_operator.api.status import Artifact, parse_status
from whisper_operator.builders.deployment import build_deployment
from whisper_operator.builders.job import build_job
from whisper_operator.builders.placement import PullPlacement
from whisper_operator.reconcile.objects import format_time

JSON = dict[str, Any]

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SOURCE = {"s3": {"bucket": "models", "key": "whisper.tar.zst"}}
DIGEST, OTHER_DIGEST = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def model(name: str = "m", *, retry: str = "", created: str = "2026-01-01T00:00:00Z", **fields: Any) -> Model:
    """A WhisperModel; `fields` are of its spec, but for `status`."""
    status = fields.pop("status", {})
    annotations = {"stt.whisper-operator.io/retry": retry} if retry else {}
    found = model_of({"source": SOURCE, **fields}, name, annotations=annotations, creationTimestamp=created, uid=name)
    return found if not status else _with_status(found, status)


def _with_status(found: Model, status: JSON) -> Model:
    return replace(found, status=parse_status(status))


def published_status(of: Model, digest: str = DIGEST) -> JSON:
    """The status of a model whose artifact is published."""
    return {
        "artifact": msgspec.to_builtins(artifact(digest)),
        "target": {"inputsHash": of.inputs, "state": "Published", "reason": "Published", "digest": digest},
    }


def artifact(digest: str = DIGEST) -> Artifact:
    """An artifact with this digest."""
    hex_digest = digest.removeprefix("sha256:")
    return Artifact(digest=digest, short_digest=hex_digest[:12], path=f"artifacts/{hex_digest}")


def deployment(of: Model, digest: str = DIGEST, *conditions: JSON, observed: bool = True, ready: int = 1) -> JSON:
    """The Deployment of a model, as built, and its status."""
    built = build_deployment(of, SETTINGS, artifact(digest))
    assert built is not None
    built["metadata"]["generation"] = 2
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), ready)
    return built | {"status": {"observedGeneration": 1 + observed, "conditions": list(conditions), **counts}}


def ago(minutes: float) -> str:
    return format_time(NOW - timedelta(minutes=minutes))


def overdue(minutes_ago: float = 0) -> JSON:
    """Of a Deployment whose deadline passed so long ago."""
    reason = "ProgressDeadlineExceeded"
    return {"type": "Progressing", "status": "False", "reason": reason, "lastUpdateTime": ago(minutes_ago)}


OVERDUE = overdue()


def job(of: Model, attempt: int = 1, *conditions: JSON, retry: str = "") -> JSON:
    """A pull Job of a model, as built, with these conditions."""
    built = build_job(of, SETTINGS, attempt, PullPlacement.ANYWHERE)
    built["metadata"] |= {"uid": f"job-{attempt}", "creationTimestamp": ago(60)}
    built["metadata"]["annotations"]["stt.whisper-operator.io/retry"] = retry
    return built | {"status": {"conditions": list(conditions)}}


def complete(minutes_ago: float = 0) -> JSON:
    return {"type": "Complete", "status": "True", "lastTransitionTime": ago(minutes_ago)}


def failed(minutes_ago: float = 0, reason: str = "PodFailurePolicy", message: str = "") -> JSON:
    condition = {"type": "Failed", "status": "True", "lastTransitionTime": ago(minutes_ago)}
    return condition | {"reason": reason, "message": message}


def pod(owner: str = "job-1", **status: Any) -> JSON:
    """A pod of the Job with this uid, or of anything else."""
    owners = [{"uid": owner, "controller": True, "kind": "Job", "name": "j"}]
    metadata = {"name": "p", "uid": "pod", "creationTimestamp": ago(30), "ownerReferences": owners}
    return {"metadata": metadata, "status": {"phase": "Running", **status}}


def server_pod(digest: str = DIGEST, **status: Any) -> JSON:
    """A pod of the Deployment."""
    found = pod("replica-set", **status)
    found["metadata"] |= {
        "labels": {"app.kubernetes.io/component": "server"},
        "annotations": {"stt.whisper-operator.io/artifact": digest},
    }
    return found


def ended(step: str, exit_code: int, message: TerminationMessage | str = "", **more: Any) -> JSON:
    """The status of a container that has ended."""
    text = message if isinstance(message, str) else message.encode().decode()
    return {
        "name": step,
        "restartCount": 0,
        "state": {"terminated": {"exitCode": exit_code, "message": text, "finishedAt": ago(0), **more}},
    }


def waiting(step: str, reason: str, message: str = "why") -> JSON:
    return {"name": step, "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}}


def running(step: str) -> JSON:
    return {"name": step, "restartCount": 0, "state": {"running": {"startedAt": ago(1)}}}


def unscheduled(message: str = "0/1 nodes are available", reason: str = "Unschedulable") -> JSON:
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    return {"phase": "Pending", "conditions": [condition]}


def says(reason: str, step: str = "pull", message: str = "what happened") -> TerminationMessage:
    return TerminationMessage(step=step, reason=reason, message=message)


PUBLISHED = TerminationMessage(
    step="publish", reason="Published", message="", digest=DIGEST, source="s3://models/x", format="transformers",
    quantization="float16", size_bytes=7,
)  # fmt: skip
