"""NVIDIA's own client package, in a process of its own, as people use it.

Its own process because it brings a health_pb2 that collides with grpc_health's.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.models import RECORDINGS, spoken_text
from tests.unit.server.engines import ENGLISH, KOREAN
from tests.unit.server.process import ServerProcess

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "server.md"
TRANSCRIBE = Path(__file__).parents[2] / "support" / "riva_transcribe.py"


@pytest.fixture(scope="module")
def server(published_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the real server with the real model."""
    folder = tmp_path_factory.mktemp("server")
    with ServerProcess(folder, "--model", str(published_artifact), "--device", "cpu") as process:
        yield process.address


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("language", "names"), [("en-US", ENGLISH), ("ko-KR", KOREAN), ("multi", [ENGLISH[0], KOREAN[0]])]
)
def test_offline_recognize_gets_the_right_words(server: str, language: str, names: list[str]) -> None:
    files = [str(RECORDINGS / name) for name in names]
    output = run(str(TRANSCRIBE), server, language, *files)
    heard = {entry["file"]: entry["transcript"] for entry in map(json.loads, output.splitlines())}
    assert heard == {name: spoken_text(name) for name in names}


def documented_example() -> str:
    """Return the program that the documentation shows."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(), re.DOTALL)
    return str(next(block for block in blocks if "riva.client" in block))


def test_the_documented_example_prints_transcript_and_words(server: str) -> None:
    output = run("-c", documented_example(), server, str(RECORDINGS / "en-02.flac"))
    printed, _, final = output.rpartition("Final transcript:")
    assert final.strip() == spoken_text("en-02.flac")
    result = json.loads(printed)["results"][0]
    words = result["alternatives"][0]["words"]
    assert [word["word"] for word in words] == spoken_text("en-02.flac").split()
    assert result["channelTag"] == 1
    assert result["audioProcessed"] == pytest.approx(3.01, abs=0.01)


def test_the_models_can_be_listed(server: str) -> None:
    program = """
import sys, riva.client
from riva.client.proto import riva_asr_pb2
service = riva.client.ASRService(riva.client.Auth(uri=sys.argv[1]))
listed = service.stub.GetRivaSpeechRecognitionConfig(riva_asr_pb2.RivaSpeechRecognitionConfigRequest())
for model in listed.model_config:
    print(model.model_name, model.parameters["type"], model.parameters["language_code"])
"""
    assert run("-c", program, server) == "whisper offline multi\nwhisper online multi\n"
