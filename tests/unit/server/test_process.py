"""The real command with the real model: exit codes, messages, probes under work, the end of its life."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from riva.client.proto import riva_asr_pb2_grpc

from tests.support.models import RECORDINGS, spoken_text
from tests.unit.server.audio_files import wav
from tests.unit.server.conftest import recognize_request
from tests.unit.server.engines import ENGLISH, recording
from tests.unit.server.process import ServerProcess
from whisper_contract.reasons import Reason
from whisper_contract.termination import TerminationMessage
from whisper_server.cli import leave_message


def said(server: ServerProcess) -> TerminationMessage:
    """Return the termination message that it left."""
    message = TerminationMessage.parse(server.termination_log.read_text())
    assert message is not None, server.log
    return message


def stub_of(channel: grpc.Channel) -> Any:
    return riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)


def long_speech() -> bytes:
    """Return a WAV file that keeps the model busy for a while."""
    speech = np.concatenate([recording(name) for name in ENGLISH] * 4)
    return wav((speech * 32_767).astype(np.int16))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def server(published_artifact: Path, tmp_path: Path, home: Path) -> Iterator[ServerProcess]:
    # CI=: onnxruntime keeps silent where it believes to be in CI; pods are not.
    environment = {"HOME": str(home), "XDG_CACHE_HOME": "", "CI": "", "WHISPER_SERVER_DRAIN_DELAY_SECONDS": "0"}
    arguments = ["--model", str(published_artifact), "--device", "cpu", "--grace-seconds", "100"]
    with ServerProcess(tmp_path, *arguments, environment=environment) as process:
        yield process


def test_it_transcribes_and_ends_with_zero_on_sigterm(server: ServerProcess, home: Path, tmp_path: Path) -> None:
    with grpc.insecure_channel(server.address) as channel:
        response = stub_of(channel).Recognize(recognize_request((RECORDINGS / "en-02.flac").read_bytes()))
    assert response.results[0].alternatives[0].transcript == " " + spoken_text("en-02.flac")
    server.terminate()
    assert server.exit_code() == 0
    assert server.termination_log.read_bytes() == b""
    assert {line["level"] for line in server.lines()} == {"INFO"}, "every line is JSON, and nothing warns"
    assert "radio" not in server.log
    assert list(home.iterdir()) == [], "nothing is written to the home directory"
    assert {path.name for path in tmp_path.iterdir()} == {"home", "log", "termination-log"}


def test_probes_and_metrics_answer_while_the_model_works(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.address) as channel:
        call = stub_of(channel).Recognize.future(recognize_request(long_speech(), language_code="en"))
        server.wait_until_at_work_on(1)
        assert server.get("/health/ready") == (200, "ready\n")
        assert not call.done(), "the answers came while the model worked"
        assert call.result().results[0].alternatives[0].transcript
    _, metrics = server.get("/metrics")
    assert 'whisper_server_requests_total{code="OK",method="Recognize"} 1.0' in metrics
    assert 'whisper_server_model_info{compute_type="float32",device="cpu"' in metrics


def test_a_call_in_flight_survives_sigterm(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.address) as channel:
        call = stub_of(channel).Recognize.future(recognize_request(long_speech(), language_code="en"))
        server.wait_until_at_work_on(1)
        server.terminate()
        server.line("ending")
        assert not call.done()
        assert call.result().results[0].alternatives[0].transcript
    assert server.exit_code() == 0


def test_a_missing_model_is_artifact_missing(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--model", str(tmp_path / "artifacts" / ("0" * 64))) as server:
        assert server.exit_code() == 75
        message = said(server)
    assert (message.step, message.reason) == ("serve", Reason.ARTIFACT_MISSING)
    assert message.message.startswith(f"no artifact is at {tmp_path}/artifacts/000")


def test_a_model_that_does_not_work_is_warm_up_failed(published_artifact: Path, tmp_path: Path) -> None:
    arguments = ["--model", str(published_artifact), "--device", "cpu", "--compute-type", "float16,bfloat16"]
    with ServerProcess(tmp_path, *arguments) as server:
        assert server.exit_code() == 1
        message = said(server)
    assert (message.step, message.reason) == ("serve", Reason.WARM_UP_FAILED)
    assert message.message.startswith("device cpu can do none of the compute types float16, bfloat16: it can do ")
    assert message.digest == f"sha256:{published_artifact.name}"
    assert "Traceback" not in server.log


def test_wrong_usage_is_one_sentence_and_two(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--model", "/m", "--device", "tpu") as server:
        assert server.exit_code() == 2
        assert server.log == "whisper-server: --device: 'tpu' is not one of auto, cuda, cpu\n"


@pytest.mark.parametrize("name", ["tokens", "tls"])
def test_a_wrong_secret_is_one_sentence_and_two(published_artifact: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "file"
    file.write_text("hush hush\n")
    arguments = {
        "tokens": ["--tokens-file", str(file), "--allow-tokens-without-tls"],
        "tls": ["--tls-certificate-file", str(file), "--tls-key-file", str(file)],
    }
    with ServerProcess(tmp_path, "--model", str(published_artifact), *arguments[name]) as server:
        assert server.exit_code() == 2
        (line,) = server.lines()
    assert str(file) in line["message"]
    assert "hush" not in server.log


def test_a_port_that_is_taken_is_one_sentence(server: ServerProcess, published_artifact: Path, tmp_path: Path) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    port = server.address.rpartition(":")[2]
    with ServerProcess(folder, "--model", str(published_artifact), "--grpc-port", port) as second:
        assert second.exit_code() == 1
        assert second.lines()[-1]["message"] == (f"cannot listen on 127.0.0.1:{port}: is another server running there?")


def test_where_there_is_no_kubelet_no_termination_message_is_made(tmp_path: Path) -> None:
    message = TerminationMessage("serve", Reason.WARM_UP_FAILED, "…")
    leave_message(tmp_path / "none", message)
    assert list(tmp_path.iterdir()) == []
    leave_message(tmp_path, message)
