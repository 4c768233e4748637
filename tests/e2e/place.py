"""A namespace to try WhisperModels in, and the words that the tests speak about them."""

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.cluster import STORAGE_CLASS, Cluster
from tests.support.s3 import S3Server

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "recordings"
API_VERSION = "stt.whisper-operator.io/v1alpha1"
SECRET = "s3-credentials"
#: Much longer than anything takes: what waits on a busy machine is only slow.
SECONDS = 300
#: Who calls a server under load, and who speaks to it: each stream outlives the change that it meets.
CALLERS, STREAMS = 2, 1
SMALL = {"requests": {"cpu": "50m", "memory": "128Mi"}}


@dataclass(frozen=True)
class Place:
    """One namespace of the session's cluster."""

    cluster: Cluster
    s3: S3Server
    namespace: str

    @classmethod
    @contextmanager
    def made(cls, cluster: Cluster, s3: S3Server, test: str) -> Iterator["Place"]:
        """Make the namespace of one test, and remove it with all that is in it."""
        name = re.sub(r"[^a-z0-9]+", "-", test.lower())[-50:].strip("-")
        cluster.kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                # The chart and its pods promise to get by with the strictest standard.
                "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
            }
        )
        place = cls(cluster, s3, name)
        place.put_secret(s3.access_key, s3.secret_key)
        yield place
        cluster.kubectl("delete", "namespace", name, "--wait=false")

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl(*arguments, f"--namespace={self.namespace}")

    def put_secret(self, access_key: str, secret_key: str) -> None:
        keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key}
        metadata = {"name": SECRET, "namespace": self.namespace}
        self.cluster.kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": keys})

    def golden_clip(self, name: str, recording: str, text: str) -> None:
        """Put a recording and what is said in it into a ConfigMap."""
        audio = base64.b64encode((RECORDINGS / recording).read_bytes()).decode()
        metadata = {"name": name, "namespace": self.namespace}
        content = {"data": {"text": text}, "binaryData": {"audio": audio}}
        self.cluster.kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **content})

    def volume(self, name: str) -> Path:
        """Add a volume that a claim of this namespace may bind; return its folder on this machine."""
        return self.cluster.add_volume(f"{self.namespace}-{name}")

    def claim(self, name: str) -> None:
        """Claim a volume for more than one WhisperModel, as an administrator would."""
        storage = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
        metadata = {"name": name, "namespace": self.namespace}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}
        binding = {"volumeName": f"{self.namespace}-{name}", "storageClassName": STORAGE_CLASS}
        self.cluster.kubectl.apply({**claim, "spec": {**storage, **binding}})

    def apply(self, name: str, source: dict[str, Any], **spec: Any) -> None:
        """Apply a small WhisperModel on the CPU; `spec` adds parts, replaces them, or (None) leaves them out."""
        whole = {
            "source": source,
            "cache": {"storageClassName": STORAGE_CLASS, "size": "1Gi"},
            "pull": {"resources": SMALL},
            "server": {"device": "cpu", "resources": SMALL},
            **spec,
        }
        metadata = {"name": name, "namespace": self.namespace}
        model = {"apiVersion": API_VERSION, "kind": "WhisperModel", "metadata": metadata}
        self.cluster.kubectl.apply(
            {**model, "spec": {part: value for part, value in whole.items() if value is not None}}
        )

    def s3_source(self, key: str, **more: Any) -> dict[str, Any]:
        """A source in the session's bucket, with the credentials of this namespace."""
        return {
            "s3": {"bucket": "models", "key": key, "endpoint": self.s3.endpoint, "secretRef": {"name": SECRET}, **more}
        }

    def retry(self, name: str) -> None:
        """Ask for another attempt at once."""
        self.kubectl("annotate", "wm", name, f"stt.whisper-operator.io/retry={time.time()}", "--overwrite")

    def status(self, name: str) -> dict[str, Any]:
        found = self.cluster.api.get(f"/apis/{API_VERSION}/namespaces/{self.namespace}/whispermodels/{name}")
        assert found is not None, f"there is no WhisperModel {name}"
        status: dict[str, Any] = found.get("status", {})
        return status

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        conditions = self.status(name).get("conditions", [])
        return next((one for one in conditions if one["type"] == kind), {})

    def wait_ready(self, name: str) -> dict[str, Any]:
        """Wait until the WhisperModel is Ready; return its status."""
        self.wait(name, "Ready", status="True")
        return self.status(name)

    def wait(self, name: str, kind: str, **wanted: str) -> dict[str, Any]:
        """Wait until a condition has the wanted status or reason; return it.

        Raises:
            AssertionError: it has not come to that in time; with what a person would look at.
        """
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            condition = self.condition(name, kind)
            if condition and all(condition[key] == value for key, value in wanted.items()):
                return condition
            time.sleep(0.3)
        raise AssertionError(f"{name}: {kind} never was {wanted}\n{self.story(name)}")

    def wait_for(self, name: str, what: str, true: Callable[[], bool]) -> None:
        """Wait until something about the WhisperModel is true.

        Raises:
            AssertionError: it has not come to that in time; with what a person would look at.
        """
        deadline = time.monotonic() + SECONDS
        while not true():
            assert time.monotonic() < deadline, f"not true in {SECONDS} s: {what}\n{self.story(name)}"
            time.sleep(0.3)

    def names(self, kinds: str) -> set[str]:
        """Return kind and name of all that is here of these kinds."""
        items = json.loads(self.kubectl("get", kinds, "-o", "json"))["items"]
        return {f"{item['kind']}/{item['metadata']['name']}" for item in items}

    def story(self, name: str) -> str:
        """What a person would look at first."""
        described = self.kubectl("describe", "wm", name)
        return described + self.kubectl("get", "jobs,pods,deployments,pvc,events")

    def transcribe(self, name: str, *recordings: str, language: str = "en-US") -> list[str]:
        """What NVIDIA's Riva client, in a process of its own, hears in these recordings."""
        endpoint = self.kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}")
        files = [str(RECORDINGS / recording) for recording in recordings]
        program = [sys.executable, "-m", "tests.support.riva_transcribe", f"{endpoint}:50051", language, *files]
        done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["transcript"] for line in done.stdout.splitlines()]

    @contextmanager
    def under_load(self, recording: str, name: str) -> Iterator[dict[str, Any]]:
        """Have NVIDIA's client call and speak to the servers all the while; the dictionary tells how it went."""
        address = self.kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}")
        program = [sys.executable, "-m", "tests.support.riva_load", f"{address}:50051", "en-US"]
        program += [str(RECORDINGS / recording), f"--callers={CALLERS}", f"--streams={STREAMS}"]
        told: dict[str, Any] = {}
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as calling:
            assert calling.stdout is not None
            assert calling.stdout.readline() == "calling\n"
            try:
                yield told
            finally:
                output, _ = calling.communicate(timeout=SECONDS)
        told.update(json.loads(output))
