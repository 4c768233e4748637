"""The main job: a checkpoint on S3 becomes a service that NVIDIA's own client can use."""

import json
import urllib.request

import openai
import pytest

from tests.e2e.place import RECORDINGS, SMALL, Place
from tests.support.archives import Archives
from tests.support.metrics_server import metrics_server

TEXTS = {one["file"]: one["text"] for one in json.loads((RECORDINGS / "recordings.json").read_text())}


def test_a_packed_checkpoint_on_s3_is_pulled_converted_served_and_transcribes(place: Place, archives: Archives) -> None:
    place.s3.put("models", "small.tar.zst", archives.whole())
    place.volume("store")
    place.apply("small", place.s3_source("small.tar.zst"), conversion={"quantization": "float32"})
    status = place.wait_ready("small")

    english = ["en-00.flac", "en-02.flac", "en-04.flac"]
    assert place.transcribe("small", *english) == [TEXTS[file] for file in english]
    assert place.transcribe("small", "ko-00.flac", language="ko-KR") == [TEXTS["ko-00.flac"]]
    assert openai_text(place, "small", "en-04.flac") == TEXTS["en-04.flac"]

    assert status["ready"] == "1/1"
    host = f"small.{place.namespace}.svc"
    assert status["endpoints"] == {"grpc": f"{host}:50051", "http": f"{host}:8000"}
    assert status["artifact"]["format"] == "transformers"
    assert status["artifact"]["quantization"] == "float32"
    assert status["artifact"]["digest"].startswith(f"sha256:{status['artifact']['shortDigest']}")
    row = place.kubectl("get", "wm", "small", "--no-headers").split()
    assert row[:2] == ["small", "s3://models/small.tar.zst"]
    assert row[2] == status["artifact"]["shortDigest"]


def openai_text(place: Place, name: str, recording: str) -> str:
    """What OpenAI's own client hears in a recording, through the model's Service."""
    address = place.kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}")
    with openai.OpenAI(base_url=f"http://{address}:8000/v1", api_key="none") as client:
        heard = client.audio.transcriptions.create(model=name, file=RECORDINGS / recording, language="en")
    return heard.text.strip()


@pytest.mark.slow
def test_the_servers_of_a_model_scale_and_answer_probes_and_metrics(place: Place, archives: Archives) -> None:
    place.s3.put("models", "small.tar.gz", archives.whole(".tar.gz"))
    place.volume("store")
    place.apply("small", place.s3_source("small.tar.gz"))
    place.wait_ready("small")

    place.kubectl("scale", "wm", "small", "--replicas=2")
    place.kubectl("wait", "wm/small", "--for=jsonpath={.status.ready}=2/2", "--timeout=240s")
    place.kubectl("scale", "wm", "small", "--replicas=0")
    place.wait("small", "Available", reason="ScaledToZero")
    assert place.condition("small", "Ready")["status"] == "True"
    place.kubectl("scale", "wm", "small", "--replicas=1")
    place.kubectl("wait", "wm/small", "--for=jsonpath={.status.ready}=1/1", "--timeout=240s")

    assert place.transcribe("small", "en-01.flac") == [TEXTS["en-01.flac"]]
    address = place.kubectl("get", "service", "small", "-o", "jsonpath={.spec.clusterIP}")
    with urllib.request.urlopen(f"http://{address}:8001/metrics", timeout=240) as answer:
        assert "whisper_server" in answer.read().decode()

    with metrics_server(place.cluster):
        autoscaling = {"maxReplicas": 2, "metrics": [{"cpu": {"averageUtilization": 100}}]}
        server = {"device": "cpu", "resources": SMALL, "autoscaling": autoscaling}
        place.apply("small", place.s3_source("small.tar.gz"), server=server)
        with place.under_load("en-01.flac", "small") as told:
            place.wait_for("small", "busy servers become two", lambda: place.status("small").get("ready") == "2/2")
    assert told["failed"] == []


def test_a_checkpoint_on_another_claim_is_served(place: Place) -> None:
    """A directory that is in the cluster already: no bucket, no archive, no Secret."""
    place.volume("store")
    folder = place.volume("library")
    for file in (RECORDINGS.parent / "speech-model").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    place.claim("library")
    place.apply("small", {"volume": {"claimName": "library"}})
    place.wait_ready("small")
    assert place.transcribe("small", "en-03.flac") == [TEXTS["en-03.flac"]]
