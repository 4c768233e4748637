"""What the real server writes while it works: never what was said, nor what callers wrote or prove themselves with."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import openai
import pytest
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from tests.support.models import RECORDINGS, spoken_text
from tests.unit.server.process import ServerProcess
from whisper_server.api import transcription_pb2, transcription_pb2_grpc

pytestmark = pytest.mark.slow

RECORDING = "en-02.flac"
AUDIO = (RECORDINGS / RECORDING).read_bytes()
#: Of what is said in it, the word that no log would hold by itself.
WORD = "radio"
PROMPT, HOTWORD = "Periwinkle", "quokka"
TOKEN, WRONG = "token-of-ada-0123456789", "token-of-nobody-987"
BEARER = (("authorization", f"Bearer {TOKEN}"),)


@pytest.fixture
def server(published_artifact: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"ada:{TOKEN}\n")
    arguments = ["--model", str(published_artifact), "--device", "cpu", "--drain-delay-seconds", "0"]
    guarded = ["--tokens-file", str(tokens), "--allow-tokens-without-tls"]
    with ServerProcess(tmp_path, *arguments, *guarded) as process:
        yield process


def call_riva(channel: grpc.Channel) -> list[str]:
    stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
    config = riva_asr_pb2.RecognitionConfig(
        speech_contexts=[riva_asr_pb2.SpeechContext(phrases=[HOTWORD])],
        custom_configuration={"initial_prompt": PROMPT},
    )
    answer = stub.Recognize(riva_asr_pb2.RecognizeRequest(config=config, audio=AUDIO), metadata=BEARER)
    first = riva_asr_pb2.StreamingRecognitionConfig(config=config, interim_results=True)
    requests = [
        riva_asr_pb2.StreamingRecognizeRequest(streaming_config=first),
        riva_asr_pb2.StreamingRecognizeRequest(audio_content=AUDIO),
    ]
    finals = [
        result.alternatives[0].transcript
        for response in stub.StreamingRecognize(iter(requests), metadata=BEARER)
        for result in response.results
        if result.is_final
    ]
    return [answer.results[0].alternatives[0].transcript, "".join(finals)]


def call_ours(channel: grpc.Channel) -> str:
    config = transcription_pb2.TranscribeConfig(speech={"initial_prompt": PROMPT, "hotwords": HOTWORD})
    requests = [transcription_pb2.TranscribeRequest(config=config), transcription_pb2.TranscribeRequest(audio=AUDIO)]
    stub = transcription_pb2_grpc.TranscriptionStub(channel)
    return "".join(answer.segment.text for answer in stub.Transcribe(iter(requests), metadata=BEARER))


def call_openai(port: int) -> str:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=TOKEN) as client:
        answer = client.audio.transcriptions.create(file=(RECORDING, AUDIO), model="whisper-1", prompt=PROMPT)
    return str(answer.text)


def test_neither_text_nor_tokens_are_written_whatever_is_called(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.address) as channel:
        texts = [*call_riva(channel), call_ours(channel), call_openai(int(server.line("ready")["http_port"]))]
        stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
        with pytest.raises(grpc.RpcError):
            stub.Recognize(riva_asr_pb2.RecognizeRequest(), metadata=(("authorization", f"Bearer {WRONG}"),))
    said = spoken_text(RECORDING).lower()
    assert all(WORD in text for text in texts), texts
    server.terminate()
    assert server.exit_code() == 0
    written = server.log.lower()
    secrets = {PROMPT.lower(), HOTWORD, TOKEN, WRONG, said, WORD}
    assert {secret for secret in secrets if secret in written} == set()
    assert '"caller": "ada"' in server.log


def test_every_line_of_a_request_has_its_id(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.address) as channel:
        request = riva_asr_pb2.RecognizeRequest(config={}, audio=AUDIO)
        stub = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel)
        _, call = stub.Recognize.with_call(request, metadata=(*BEARER, ("x-request-id", "mine-1")))
    assert dict(call.trailing_metadata())["x-request-id"] == "mine-1"
    (line,) = [line for line in server.lines() if line.get("method") == "Recognize"]
    assert line["request_id"] == "mine-1"
