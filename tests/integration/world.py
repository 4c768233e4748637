"""One namespace with its WhisperModels, and the hand that does what a scheduler and kubelets would.

Jobs, Deployments and garbage collection are the real controllers' work: they draw their conclusions from the pods.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.cluster.control_plane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.processes import wait_until
from whisper_contract.termination import TerminationMessage

JSON = dict[str, Any]

PATIENCE_SECONDS = 30
DIGEST = "sha256:" + "a" * 64
OTHER_DIGEST = "sha256:" + "b" * 64
STEPS = ("pull", "convert", "publish")


class World:
    """Drives and reads one namespace."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._kubectl = control_plane.kubectl
        self.namespace = namespace

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self._kubectl(*arguments, f"--namespace={self.namespace}", stdin=stdin)

    def create_namespace(self) -> None:
        self._kubectl("create", "namespace", self.namespace)
        # Pods whose ServiceAccount is not there yet are refused, as in any new namespace.
        wait_until("the namespace has its ServiceAccount", self._has_account, seconds=PATIENCE_SECONDS)

    def _has_account(self) -> bool:
        return bool(self.kubectl("get", "serviceaccount", "default", "--ignore-not-found", "--output=name"))

    def delete_namespace(self) -> None:
        self._kubectl("delete", "namespace", self.namespace, "--wait=false")

    # What a person does.

    def apply(self, name: str = "m", *, annotations: dict[str, str] | None = None, **spec: Any) -> None:
        """Apply a WhisperModel; without a source, one on S3."""
        spec.setdefault("source", {"s3": {"bucket": "models", "key": f"{name}.tar.zst"}})
        model = {
            "apiVersion": "stt.whisper-operator.io/v1alpha1",
            "kind": "WhisperModel",
            "metadata": {"name": name, "annotations": annotations or {}},
            "spec": spec,
        }
        self.make(model)

    def make(self, *objects: JSON) -> None:
        manifest = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("apply", "--validate=strict", "--filename=-", stdin=json.dumps(manifest))

    def make_claim(self, name: str, mode: str = "ReadWriteMany") -> None:
        spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
        self.make({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec})

    # What there is.

    def get(self, kind: str, name: str) -> JSON:
        found: JSON = json.loads(self.kubectl("get", kind, name, "--output=json"))
        return found

    def select(self, kind: str, labels: str = "") -> list[JSON]:
        found: JSON = json.loads(self.kubectl("get", kind, f"--selector={labels}", "--output=json"))
        items: list[JSON] = found["items"]
        return items

    def exists(self, kind: str, name: str) -> bool:
        return bool(self.kubectl("get", kind, name, "--ignore-not-found", "--output=name"))

    def status(self, name: str = "m") -> JSON:
        status: JSON = self.get("whispermodel", name).get("status", {})
        return status

    def condition(self, kind: str, name: str = "m") -> JSON:
        conditions = self.status(name).get("conditions", [])
        found: JSON = next((one for one in conditions if one["type"] == kind), {})
        return found

    def jobs(self, name: str = "m") -> list[JSON]:
        jobs = self.select("jobs", f"stt.whisper-operator.io/model={name}")
        return sorted(jobs, key=lambda job: str(job["metadata"]["creationTimestamp"]))

    # Waiting.

    def until(self, what: str, true: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        try:
            wait_until(what, true, seconds=seconds)
        except ClusterError as error:
            statuses = {one["metadata"]["name"]: one.get("status") for one in self.select("whispermodels")}
            raise AssertionError(f"{error}\n{json.dumps(statuses, indent=1)}") from error

    def until_condition(self, kind: str, status: str, reason: str, name: str = "m") -> JSON:
        """Wait until the condition is so, and return it."""

        def so() -> bool:
            condition = self.condition(kind, name)
            return (condition.get("status"), condition.get("reason")) == (status, reason)

        self.until(f"{kind} of {name} is {status} {reason}", so)
        return self.condition(kind, name)

    def until_job(self, attempt: int = 1, name: str = "m") -> JSON:
        """Wait until the Job of this attempt is there and has its pod, and return the pod."""
        labels = f"stt.whisper-operator.io/model={name},stt.whisper-operator.io/attempt={attempt}"
        self.until(f"attempt {attempt} of {name} has a pod", lambda: bool(self.select("pods", labels)))
        return self.select("pods", labels)[0]

    # What a scheduler, a kubelet and a loader would do.

    def set_status(self, pod: JSON, **status: Any) -> None:
        patch = json.dumps({"status": status})
        name = pod["metadata"]["name"]
        self.kubectl("patch", "pod", name, "--subresource=status", "--type=merge", f"--patch={patch}")

    def fail_pull(self, pod: JSON, exit_code: int, message: TerminationMessage | None = None) -> None:
        """Let the pod's first step end with this exit code."""
        ended = _terminated(exit_code, message.encode().decode() if message else "")
        self.set_status(pod, phase="Failed", initContainerStatuses=[_container("pull", terminated=ended)])

    def publish(self, pod: JSON, digest: str = DIGEST) -> None:
        """Let all steps of the pull succeed."""
        message = TerminationMessage(
            step="publish", reason="Published", message="published", digest=digest, source="s3://models/m?etag=1",
            format="transformers", quantization="float16", size_bytes=1_000,
        )  # fmt: skip
        done = [_container(step, terminated=_terminated(0, "")) for step in STEPS[:2]]
        last = _container(STEPS[2], terminated=_terminated(0, message.encode().decode()))
        self.set_status(pod, phase="Succeeded", initContainerStatuses=done, containerStatuses=[last])

    def server_pods(self, name: str = "m") -> list[JSON]:
        labels = f"stt.whisper-operator.io/model={name},app.kubernetes.io/component=server"
        pods = self.select("pods", labels)
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def make_ready(self, pod: JSON) -> None:
        """Let the server in the pod become ready."""
        now = _now()
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": now}
            for kind in ("PodScheduled", "ContainersReady", "Ready")
        ]
        server = _container("server", running={"startedAt": now}) | {"ready": True, "started": True}
        self.set_status(pod, phase="Running", conditions=conditions, containerStatuses=[server])

    def serve(self, name: str = "m", replicas: int = 1) -> None:
        """Let all servers become ready, those too that a rollout makes only when others are."""

        def all_ready() -> bool:
            for pod in self.server_pods(name):
                if pod["status"].get("phase") != "Running":
                    self.make_ready(pod)
            ready = self.condition("Ready", name)
            return ready.get("status") == "True" and self.status(name).get("ready") == f"{replicas}/{replicas}"

        self.until(f"{name} is ready", all_ready)

    def bring_up(self, name: str = "m", digest: str = DIGEST, **spec: Any) -> None:
        """Take a WhisperModel all the way to Ready."""
        self.apply(name, **spec)
        self.publish(self.until_job(name=name), digest)
        self.until(f"{name} has a Deployment", lambda: self.exists("deployment", f"{name}-server"))
        self.serve(name, replicas=spec.get("server", {}).get("replicas", 1))


def _container(name: str, **state: Any) -> JSON:
    return {"name": name, "image": "i", "imageID": "i", "ready": False, "restartCount": 0, "state": state}


def _terminated(exit_code: int, message: str) -> JSON:
    now = _now()
    return {"exitCode": exit_code, "message": message, "startedAt": now, "finishedAt": now}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
