"""One namespace with its WhisperModels, and the hand that does what a scheduler and kubelets would.

Jobs, Deployments and garbage collection are the real controllers' work: they draw their conclusions from the pods.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

import kubernetes.client
import kubernetes.config

from tests.cluster.control_plane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.processes import wait_until
from whisper_contract.termination import TerminationMessage
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient

JSON = dict[str, Any]

KINDS = {
    "whispermodel": kinds.MODEL,
    "pvc": kinds.CLAIM,
    "persistentvolumeclaim": kinds.CLAIM,
    "resourcequota": kinds.Kind("", "v1", "resourcequotas"),
    "service": kinds.SERVICE,
    "pod": kinds.POD,
    "job": kinds.JOB,
    "deployment": kinds.DEPLOYMENT,
    "poddisruptionbudget": kinds.DISRUPTION_BUDGET,
    "horizontalpodautoscaler": kinds.AUTOSCALER,
    "event": kinds.REPORTED_EVENT,
    "quota": kinds.Kind("", "v1", "resourcequotas"),
    "replicaset": kinds.Kind("apps", "v1", "replicasets"),
    "serviceaccount": kinds.Kind("", "v1", "serviceaccounts"),
}

# What takes a second on a machine of its own has taken half a minute where all layers' tests share two cores.
PATIENCE_SECONDS = 240
DIGEST = "sha256:" + "a" * 64
OTHER_DIGEST = "sha256:" + "b" * 64
STEPS = ("pull", "convert", "publish")


class World:
    """Drives and reads one namespace."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._kubectl = control_plane.kubectl
        untyped: Any = kubernetes.config
        api = untyped.new_client_from_config(str(control_plane.kubeconfig))
        # kubectl is what people use, and a process each time: what every test does all the time goes without.
        self._reader = KubeClient(api)
        self._api: Any = api
        self._pods: Any = kubernetes.client.CoreV1Api(api)
        self.namespace = namespace

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self._kubectl(*arguments, f"--namespace={self.namespace}", stdin=stdin)

    def create_namespace(self) -> None:
        self._send("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        # Pods whose ServiceAccount is not there yet are refused, as in any new namespace.
        made = partial(self.exists, "serviceaccount", "default")
        wait_until("the namespace has its ServiceAccount", made, seconds=PATIENCE_SECONDS)

    def delete_namespace(self) -> None:
        self._send("DELETE", f"/api/v1/namespaces/{self.namespace}", {})

    def _send(self, method: str, path: str, body: JSON, **query: str) -> None:
        content = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        request = self._api.param_serialize(
            method, path, query_params=list(query.items()), header_params={"Content-Type": content},
            body=json.dumps(body) if method == "PATCH" else body, auth_settings=["BearerToken"],
        )  # fmt: skip
        answer = self._api.call_api(*request)
        text = answer.read().decode()
        assert answer.status < 300, f"{method} {path}: {text}"

    # What a person does.

    def apply(self, name: str = "m", **spec: Any) -> None:
        """Apply a WhisperModel; without a source, one on S3."""
        spec.setdefault("source", {"s3": {"bucket": "models", "key": f"{name}.tar.zst"}})
        model = {
            "apiVersion": "stt.whisper-operator.io/v1alpha1",
            "kind": "WhisperModel",
            "metadata": {"name": name},
            "spec": spec,
        }
        self.make(model)

    def make(self, *objects: JSON) -> None:
        """Apply objects as a person would with `kubectl apply --server-side --validate=strict`."""
        for one in objects:
            kind = KINDS[one["kind"].lower()]
            path = kind.path(self.namespace, one["metadata"]["name"])
            self._send("PATCH", path, one, fieldManager="person", fieldValidation="Strict")

    def make_claim(self, name: str, mode: str = "ReadWriteMany") -> None:
        spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}}
        self.make({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec})

    def make_bound_claim(self, name: str) -> None:
        """Make a claim that has a volume."""
        self.make_volume("1Gi")
        spec = {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": self.namespace,
        }
        self.make({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec})
        self.until_bound(name)

    def until_bound(self, claim: str) -> None:
        bound = lambda: self.exists("pvc", claim) and self.get("pvc", claim)["status"].get("phase") == "Bound"  # noqa: E731
        self.until(f"the claim {claim} has a volume", bound)

    def make_volume(self, size: str) -> None:
        """Make a volume for a claim of the storage class that is named as the namespace."""
        spec = {
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": size},
            "storageClassName": self.namespace,
            "hostPath": {"path": "/tmp/nowhere"},
        }
        volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": self.namespace}, "spec": spec}
        self._send("POST", "/api/v1/persistentvolumes", volume)

    # What there is.

    def get(self, kind: str, name: str) -> JSON:
        found = self._reader.get(KINDS[kind], self.namespace, name)
        assert found is not None, f"there is no {kind} {name}"
        return found

    def select(self, kind: str, labels: str = "") -> list[JSON]:
        return self._reader.list(KINDS[kind], self.namespace, labels=labels)

    def get_raw(self, group: str, path: str) -> JSON:
        found: JSON = json.loads(self._kubectl("get", "--raw", f"{group}/namespaces/{self.namespace}/{path}"))
        return found

    def exists(self, kind: str, name: str) -> bool:
        return self._reader.get(KINDS[kind], self.namespace, name) is not None

    def status(self, name: str = "m") -> JSON:
        status: JSON = self.get("whispermodel", name).get("status", {})
        return status

    def condition(self, kind: str, name: str = "m") -> JSON:
        conditions = self.status(name).get("conditions", [])
        found: JSON = next((one for one in conditions if one["type"] == kind), {})
        return found

    def jobs(self, name: str = "m") -> list[JSON]:
        """The Jobs that pull, oldest first."""
        jobs = self.select("job", f"stt.whisper-operator.io/model={name},app.kubernetes.io/component=pull")
        return sorted(jobs, key=lambda job: str(job["metadata"]["creationTimestamp"]))

    # Waiting.

    def until(self, what: str, true: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        try:
            wait_until(what, true, seconds=seconds)
        except ClusterError as error:
            statuses = {one["metadata"]["name"]: one.get("status") for one in self.select("whispermodel")}
            raise AssertionError(f"{error}\n{json.dumps(statuses, indent=1)}") from error

    def until_condition(self, kind: str, status: str, reason: str, name: str = "m") -> JSON:
        """Wait until the condition is so, and return it."""

        def so() -> bool:
            condition = self.condition(kind, name)
            return (condition.get("status"), condition.get("reason")) == (status, reason)

        self.until(f"{kind} of {name} is {status} {reason}", so)
        return self.condition(kind, name)

    def until_job(self, attempt: int = 1, name: str = "m", instead_of: JSON | None = None) -> JSON:
        """Wait until the Job of this attempt has its pod, and not one for other inputs, and return the pod."""
        labels = f"stt.whisper-operator.io/model={name},stt.whisper-operator.io/attempt={attempt}"

        def pods() -> list[JSON]:
            found = self.select("pod", labels)
            return [pod for pod in found if instead_of is None or _inputs(pod) != _inputs(instead_of)]

        self.until(f"attempt {attempt} of {name} has a pod", lambda: bool(pods()))
        return pods()[0]

    def until_gc(self, name: str = "m") -> JSON:
        """Wait until the Job that removes artifacts has its pod, and return the pod."""
        labels = f"stt.whisper-operator.io/model={name},app.kubernetes.io/component=gc"
        self.until("artifacts are being removed", lambda: bool(self.select("pod", labels)))
        (pod,) = self.select("pod", labels)
        return pod

    # What a scheduler, a kubelet and a loader would do.

    def set_status(self, pod: JSON, **status: Any) -> None:
        self._pods.patch_namespaced_pod_status(pod["metadata"]["name"], self.namespace, {"status": status})

    def place(self, pod: JSON, node: str) -> None:
        """Bind the pod to a node."""
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        binding = {"metadata": {"name": pod["metadata"]["name"]}, "target": target}
        self._send("POST", kinds.POD.path(self.namespace, pod["metadata"]["name"], "binding"), binding)

    def fail_pull(self, pod: JSON, exit_code: int, message: TerminationMessage | None = None) -> None:
        """Let the pod's first step end with this exit code."""
        ended = _terminated(exit_code, message.encode().decode() if message else "")
        self.set_status(pod, phase="Failed", initContainerStatuses=[_container("pull", terminated=ended)])

    def publish(
        self, pod: JSON, digest: str = DIGEST, source: str = "s3://models/m?etag=1", size_bytes: int = 1_000
    ) -> None:
        """Let all steps of the pull succeed."""
        message = TerminationMessage(
            step="publish", reason="Published", message="published", digest=digest, source=source,
            format="transformers", quantization="float16", size_bytes=size_bytes,
        )  # fmt: skip
        done = [_container(step, terminated=_terminated(0, "")) for step in STEPS[:2]]
        last = _container(STEPS[2], terminated=_terminated(0, message.encode().decode()))
        self.set_status(pod, phase="Succeeded", initContainerStatuses=done, containerStatuses=[last])

    def end_gc(self, pod: JSON, freed: int = 7) -> None:
        """Let the Job that removes artifacts succeed."""
        message = TerminationMessage(
            step="gc", reason="Freed", message=f"{freed} bytes of 1 artifacts are freed", size_bytes=freed
        )
        done = _container("gc", terminated=_terminated(0, message.encode().decode()))
        self.set_status(pod, phase="Succeeded", containerStatuses=[done])

    def fail_gc(self, pod: JSON, exit_code: int) -> None:
        """Let it fail."""
        self.set_status(
            pod, phase="Failed", containerStatuses=[_container("gc", terminated=_terminated(exit_code, ""))]
        )

    def end_check(self, pod: JSON, source: str) -> None:
        """Let the Job that asks the source be told this."""
        message = TerminationMessage(step="resolve", reason="Resolved", message="asked", source=source)
        done = _container("resolve", terminated=_terminated(0, message.encode().decode()))
        self.set_status(pod, phase="Succeeded", containerStatuses=[done])

    def fail_check(self, pod: JSON, exit_code: int, message: TerminationMessage) -> None:
        """Let it fail."""
        ended = _terminated(exit_code, message.encode().decode())
        self.set_status(pod, phase="Failed", containerStatuses=[_container("resolve", terminated=ended)])

    def server_pods(self, name: str = "m") -> list[JSON]:
        labels = f"stt.whisper-operator.io/model={name},app.kubernetes.io/component=server"
        pods = self.select("pod", labels)
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def make_ready(self, pod: JSON) -> None:
        """Let the server in the pod become ready."""
        moment = now()
        conditions = [
            {"type": kind, "status": "True", "lastTransitionTime": moment}
            for kind in ("PodScheduled", "ContainersReady", "Ready")
        ]
        server = _container("server", running={"startedAt": moment}) | {"ready": True, "started": True}
        self.set_status(pod, phase="Running", conditions=conditions, containerStatuses=[server])

    def crash(self, pod: JSON, exit_code: int, reason: str, message: str) -> None:
        """Let the server in the pod end with these words, and wait to be started again."""
        words = TerminationMessage(step="serve", reason=reason, message=message).encode().decode()
        # Times are of whole seconds: later than the Job's end, which may be of this one.
        ended = _terminated(exit_code, words) | {"finishedAt": now(seconds=1)}
        waits = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
        server = _container("server", **waits) | {
            "started": False,
            "restartCount": 1,
            "lastState": {"terminated": ended},
        }
        conditions = [
            {"type": kind, "status": "False", "lastTransitionTime": now()} for kind in ("ContainersReady", "Ready")
        ]
        self.set_status(pod, phase="Running", conditions=conditions, containerStatuses=[server])

    def serve(self, name: str = "m", replicas: int = 1, digest: str | None = None) -> None:
        """Let all servers become ready, those too that a rollout makes only when others are.

        With `digest`, until it is this artifact that has served: what the status says may be of before a rollout.
        """

        def all_ready() -> bool:
            for pod in self.server_pods(name):
                if not any(
                    one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", [])
                ):
                    with self._may_be_gone():  # another rollout may have taken its place
                        self.make_ready(pod)
            ready = self.condition("Ready", name)
            status = self.status(name)
            serves = digest is None or status["artifact"].get("digest") == digest
            return ready.get("status") == "True" and status.get("ready") == f"{replicas}/{replicas}" and serves

        self.until(f"{name} is ready", all_ready)

    @contextmanager
    def _may_be_gone(self) -> Iterator[None]:
        try:
            yield
        except kubernetes.client.ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def bring_up(self, name: str = "m", digest: str = DIGEST, **spec: Any) -> JSON:
        """Take a WhisperModel all the way to Ready, and return the pod of its pull."""
        self.apply(name, **spec)
        pull = self.until_job(name=name)
        self.publish(pull, digest)
        self.until(f"{name} has a Deployment", lambda: self.exists("deployment", f"{name}-server"))
        self.serve(name, replicas=spec.get("server", {}).get("replicas", 1))
        return pull


@contextmanager
def world_in(control_plane: ControlPlane) -> Iterator[World]:
    """Make a namespace of its own, and remove it with all that is in it."""
    world = World(control_plane, f"test-{uuid.uuid4().hex[:8]}")
    world.create_namespace()
    yield world
    world.delete_namespace()


def _container(name: str, **state: Any) -> JSON:
    return {"name": name, "image": "i", "imageID": "i", "ready": False, "restartCount": 0, "state": state}


def _terminated(exit_code: int, message: str) -> JSON:
    moment = now()
    return {"exitCode": exit_code, "message": message, "startedAt": moment, "finishedAt": moment}


def _inputs(pod: JSON) -> str:
    return str(pod["metadata"]["labels"]["stt.whisper-operator.io/inputs"])


def now(seconds: int = 0) -> str:
    """The time as the API server writes it, or so many seconds later."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
