"""The demo's steps: from an empty cluster to a transcript."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.demo.target import DemoError, Images, Target
from tests.support.narration import Narrator
from tests.support.s3 import S3Server

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "tests/fixtures/speech-model"
RECORDING = ROOT / "tests/fixtures/recordings/en-02.flac"

OPERATOR_NAMESPACE = "whisper-operator"
NAMESPACE = "whisper-demo"
NAME = "demo"
BUCKET = "models"
KEY = "small-whisper.tar.zst"
SECRET = "s3-credentials"
READY_SECONDS = 300


@dataclass(frozen=True)
class Programs:
    """The programs that a person would type, with the cluster they talk to."""

    kubectl: Path
    helm: Path
    kubeconfig: Path

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), **more}


@dataclass(frozen=True)
class Story:
    """One telling of the demo on one target."""

    target: Target
    programs: Programs
    narrator: Narrator

    def run(self, *command: str, shown: str | None = None, stdin: str | None = None, **environment: str) -> str:
        """Run a command as a person would and return what it printed; it is shown unless `shown` is empty.

        Raises:
            DemoError: it failed; with what it said.
        """
        if shown != "":
            self.narrator.say(f"$ {shown or ' '.join((Path(command[0]).name, *command[1:]))}")
        done = subprocess.run(
            command,
            input=stdin,
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=self.programs.environment(**environment),
        )
        if done.returncode:
            raise DemoError(f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def kubectl(self, *arguments: str, shown: str | None = None, stdin: str | None = None) -> str:
        return self.run(str(self.programs.kubectl), *arguments, shown=shown, stdin=stdin)

    def upload_model(self, s3: S3Server) -> None:
        """Pack the small model and upload it, as an ML engineer would."""
        credentials = {"AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}
        s3.create_bucket(BUCKET)
        with TemporaryDirectory(prefix="whisper-demo-") as folder:
            archive = str(Path(folder, KEY))
            self.run(whisper_model(), "pack", str(MODEL), "-o", archive, shown=f"whisper-model pack MODEL -o {KEY}")
            self.run(
                *(whisper_model(), "push", archive, f"s3://{BUCKET}/{KEY}", "--endpoint", s3.endpoint),
                shown=f"whisper-model push {KEY} s3://{BUCKET}/{KEY} --endpoint {s3.endpoint}",
                **credentials,
            )

    def install_chart(self, images: Images) -> None:
        """Install the operator with helm, and wait until it is ready."""
        self.run(
            str(self.programs.helm),
            *("upgrade", "--install", "whisper-operator", "helm/whisper-operator"),
            *("--namespace", OPERATOR_NAMESPACE, "--create-namespace"),
            *("--set", f"images.registry={images.registry}"),
            *(f"--set=images.{part}.tag={images.tag}" for part in ("operator", "loader", "server")),
            *("--wait", "--timeout", "180s"),
            shown=f"helm upgrade --install whisper-operator helm/whisper-operator -n {OPERATOR_NAMESPACE} --wait",
        )

    def apply_model(self, s3: S3Server) -> None:
        """Apply the credentials and the WhisperModel."""
        storage = self.target.storage()
        model = whisper_model_object(s3.endpoint, storage.cache)
        objects = [namespace_object(), *storage.objects, secret_object(s3)]
        self.kubectl("apply", "-f", "-", shown="", stdin=yaml.safe_dump_all(objects))
        self.narrator.say("$ kubectl apply -f - <<EOF")
        self.narrator.say(yaml.safe_dump(model, sort_keys=False))
        self.narrator.say("EOF")
        self.narrator.say(self.kubectl("apply", "-f", "-", shown="", stdin=yaml.safe_dump(model)))

    def wait_until_ready(self) -> None:
        """Show every change until the WhisperModel is Ready."""
        self.narrator.say(f"$ kubectl get wm -n {NAMESPACE} -w")
        kubectl = str(self.programs.kubectl)
        with self._shown(kubectl, "get", "wm", NAME, "-n", NAMESPACE, "-w"):
            arguments = ("wait", "--for=condition=Ready", f"wm/{NAME}", "-n", NAMESPACE, f"--timeout={READY_SECONDS}s")
            self.kubectl(*arguments, shown="")

    def transcribe(self) -> str:
        """Let NVIDIA's own client transcribe a recording; return its transcript."""
        with self._port_forward() as port:
            module = "tests.support.riva_transcribe"
            printed = self.run(
                *(sys.executable, "-m", module, f"127.0.0.1:{port}", "en-US", str(RECORDING)),
                shown=f"riva.client.ASRService.offline_recognize({RECORDING.name}, language_code='en-US')",
            )
        transcript: str = json.loads(printed)["transcript"]
        return transcript

    def clear_model(self) -> None:
        """Remove what an earlier run, or this one, has applied for the model."""
        namespace = self.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found", "--output=name", shown="")
        if not namespace:
            return
        # Pods first: a namespace that is deleted with pods in it waits half their grace period before it looks again.
        for kind in ("whispermodels", "pods"):
            self.kubectl("delete", kind, "--all", "-n", NAMESPACE, "--timeout=120s", shown="")
        self.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s", shown="")

    def clear_operator(self) -> None:
        """Remove the operator's release and its namespace."""
        uninstall = ("uninstall", "whisper-operator", "--namespace", OPERATOR_NAMESPACE, "--ignore-not-found", "--wait")
        self.run(str(self.programs.helm), *uninstall, shown="")
        self.kubectl("delete", "namespace", OPERATOR_NAMESPACE, "--ignore-not-found", "--timeout=120s", shown="")

    def diagnosis(self) -> str:
        """Return what a person would look at first after a failure."""
        commands = (
            ("get", "wm,jobs,deployments,pods,pvc", "-n", NAMESPACE),
            ("describe", "wm", "-n", NAMESPACE),
            ("logs", "-n", OPERATOR_NAMESPACE, "-l", "app.kubernetes.io/name=whisper-operator", "--tail=20"),
        )
        texts = []
        for command in commands:
            try:
                texts.append(f"$ kubectl {' '.join(command)}\n{self.kubectl(*command, shown='')}")
            except DemoError as error:
                texts.append(str(error))
        return "\n".join(texts)

    @contextmanager
    def _shown(self, *command: str) -> Iterator[None]:
        """Show the lines that a command prints, while the block runs."""
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.programs.environment()) as process:
            thread = threading.Thread(target=self._say_all, args=(process.stdout,))
            thread.start()
            try:
                yield
            finally:
                process.terminate()
                thread.join()

    def _say_all(self, lines: Iterable[str] | None) -> None:
        for line in lines or ():
            self.narrator.say(line)

    @contextmanager
    def _port_forward(self) -> Iterator[int]:
        """Forward a free port of this machine to the Service's gRPC port."""
        command = (str(self.programs.kubectl), "port-forward", f"service/{NAME}", ":50051", "-n", NAMESPACE)
        self.narrator.say(f"$ kubectl port-forward service/{NAME} :50051 -n {NAMESPACE}")
        environment = self.programs.environment()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            try:
                line = process.stdout.readline() if process.stdout else ""
                forwarded = re.search(r"127\.0\.0\.1:(\d+) ->", line)
                if forwarded is None:
                    raise DemoError(f"kubectl port-forward did not forward: {line!r}")
                yield int(forwarded.group(1))
            finally:
                process.terminate()


def tell(story: Story, s3: S3Server, images: Images) -> str:
    """Tell the part that users see, and return the transcript."""
    narrator = story.narrator
    with narrator.step(f"A bucket with a packed Whisper, on a real S3 server at {s3.endpoint}"):
        story.upload_model(s3)
    with narrator.step("The operator, installed with helm"):
        story.install_chart(images)
    with narrator.step("A WhisperModel, applied with kubectl"):
        story.apply_model(s3)
    with narrator.step("Pulled, checked, converted, published, served"):
        story.wait_until_ready()
    with narrator.step("Transcribed through NVIDIA's own Riva client"):
        transcript = story.transcribe()
        narrator.say(f"{RECORDING.name}: {transcript}")
    return transcript


def whisper_model() -> str:
    """Return the loader's command, of this environment."""
    return str(Path(sys.executable).with_name("whisper-model"))


def namespace_object() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def secret_object(s3: S3Server) -> dict[str, Any]:
    keys = {"aws_access_key_id": s3.access_key, "aws_secret_access_key": s3.secret_key}
    metadata = {"name": SECRET, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": keys}


def whisper_model_object(endpoint: str, cache: dict[str, Any]) -> dict[str, Any]:
    source = {"bucket": BUCKET, "key": KEY, "endpoint": endpoint, "secretRef": {"name": SECRET}}

    def small() -> dict[str, Any]:
        return {"requests": {"cpu": "100m", "memory": "256Mi"}}

    return {
        "apiVersion": "stt.whisper-operator.io/v1alpha1",
        "kind": "WhisperModel",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "source": {"s3": source},
            "conversion": {"quantization": "float32"},
            "cache": cache,
            "pull": {"resources": small()},
            "server": {"device": "cpu", "resources": small()},
        },
    }
