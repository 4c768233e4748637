"""StreamingRecognize over real gRPC and real voice activity, an engine of the test's own behind it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from faster_whisper.audio import decode_audio
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc, riva_common_pb2

from tests.support.models import RECORDINGS
from tests.unit.server.audio_files import RATE, Pcm, wav
from tests.unit.server.conftest import Serve, Served
from tests.unit.server.fakes import SILENCE
from tests.unit.server.waiting import until
from whisper_server.engine.options import Instructions, Task

INVALID = grpc.StatusCode.INVALID_ARGUMENT
PCM: dict[str, Any] = {"encoding": 1, "sample_rate_hertz": RATE}
PAUSE: Pcm = np.zeros(2 * RATE, np.int16)


@cache
def speech() -> Pcm:
    """Return three seconds of speech, a pause after it."""
    samples = decode_audio(str(RECORDINGS / "en-02.flac"))
    return np.concatenate([np.asarray(samples * 32_767, np.int16), PAUSE])


def config(*, interim_results: bool = False, **fields: Any) -> Any:
    streaming = riva_asr_pb2.StreamingRecognitionConfig(
        config=riva_asr_pb2.RecognitionConfig(**fields), interim_results=interim_results
    )
    return riva_asr_pb2.StreamingRecognizeRequest(streaming_config=streaming)


def audio(content: bytes) -> Any:
    return riva_asr_pb2.StreamingRecognizeRequest(audio_content=content)


def in_chunks(content: bytes, size: int = 3_200) -> list[Any]:
    return [audio(content[at : at + size]) for at in range(0, len(content), size)]


async def stream(served: Served, requests: Sequence[Any]) -> list[Any]:
    """Send `requests`, half-close, and return the responses."""
    return [response async for response in served.stub.StreamingRecognize(iter(requests))]


async def failure(served: Served, requests: Sequence[Any]) -> Any:
    """Send `requests` as Riva's own client does, and return the call that has failed.

    gRPC's asynchronous client loses the status of a call that ends while it sends (https://github.com/grpc/grpc/issues/36066).
    """

    def send() -> Any:
        with grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
            call = riva_asr_pb2_grpc.RivaSpeechRecognitionStub(channel).StreamingRecognize(iter(requests))
            with pytest.raises(grpc.RpcError):
                list(call)
            return call

    return await asyncio.to_thread(send)


async def refusal(served: Served, requests: Sequence[Any]) -> tuple[grpc.StatusCode, str]:
    call = await failure(served, requests)
    return call.code(), call.details()


async def test_each_utterance_has_one_final(served: Served) -> None:
    responses = await stream(served, [config(**PCM), *in_chunks(np.tile(speech(), 2).tobytes())])
    assert [len(response.results) for response in responses] == [1, 1]
    assert all(response.results[0].is_final for response in responses)
    assert [response.results[0].alternatives[0].transcript for response in responses] == [" Hello there. And bye."] * 2
    first, second = (response.results[0].audio_processed for response in responses)
    assert 3 < first < second <= 2 * len(speech()) / RATE


async def test_a_half_close_ends_the_running_utterance(served: Served) -> None:
    spoken = speech()[: len(speech()) - len(PAUSE)]
    responses = await stream(served, [config(**PCM), *in_chunks(spoken.tobytes())])
    assert [response.results[0].is_final for response in responses] == [True]
    assert responses[0].results[0].audio_processed == pytest.approx(len(spoken) / RATE)


async def test_a_final_comes_while_the_stream_goes_on(served: Served) -> None:
    call = served.stub.StreamingRecognize()
    for request in [config(**PCM), *in_chunks(speech().tobytes())]:
        await call.write(request)
    assert (await call.read()).results[0].is_final
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_silence_has_no_results(served: Served) -> None:
    assert await stream(served, [config(interim_results=True, **PCM), *in_chunks(PAUSE.tobytes())]) == []
    assert served.engine.windows == []


async def test_what_sounded_like_speech_and_said_nothing_has_no_result(served: Served) -> None:
    served.engine.answer = SILENCE
    assert await stream(served, [config(**PCM), *in_chunks(speech().tobytes())]) == []


async def test_an_utterance_is_told_before_its_final_and_not_after(served: Served) -> None:
    heard, calm = asyncio.Event(), len(speech()) - len(PAUSE)

    async def talking() -> AsyncIterator[Any]:
        yield config(interim_results=True, **PCM)
        spoken = in_chunks(speech()[RATE // 2 : calm].tobytes())
        for _ in range(20):
            for chunk in spoken:
                yield chunk
                if heard.is_set():
                    break
                await asyncio.sleep(0.005)
        for chunk in in_chunks(PAUSE.tobytes()):
            yield chunk

    results = []
    async for response in served.stub.StreamingRecognize(talking()):
        assert len(response.results) == 1
        results.append(response.results[0])
        heard.set()
    assert [result.is_final for result in results] == [False] * (len(results) - 1) + [True]
    assert len(results) > 1
    assert all(0 <= result.stability < 1 and len(result.alternatives) == 1 for result in results)
    assert results[0].alternatives[0].transcript == " Hello there. And bye."


async def test_the_config_says_what_is_to_be_done(served: Served) -> None:
    asked: dict[str, Any] = {
        "language_code": "ko-KR",
        "custom_configuration": {"task": "translate"},
        "max_alternatives": 2,
    }
    await stream(served, [config(**PCM, enable_word_time_offsets=True, **asked), *in_chunks(speech().tobytes())])
    instructions: Instructions = served.engine.windows[0].instructions
    assert (instructions.language, instructions.task, instructions.word_times) == ("ko", Task.TRANSLATE, True)
    assert instructions.decoding.alternatives == 2


async def test_endpointing_decides_where_an_utterance_ends(served: Served) -> None:
    twice = np.tile(speech(), 2).tobytes()
    for custom, endpointing in (
        ({}, {"stop_history": 3_000}),
        ({"vad_min_silence_duration_ms": "3000"}, {}),
        ({"vad_min_silence_duration_ms": "100"}, {"stop_history": 3_000}),
    ):
        request = config(**PCM, custom_configuration=custom, endpointing_config=endpointing)
        assert len(await stream(served, [request, *in_chunks(twice)])) == 1, "the pause is shorter"


async def test_words_are_masked(serve: Serve, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("bye")
    served = await serve(profanity_words_file=words)
    request = config(**PCM, profanity_filter=True, enable_word_time_offsets=True)
    responses = await stream(served, [request, *in_chunks(speech().tobytes())])
    best = responses[0].results[0].alternatives[0]
    assert best.transcript == " Hello there. And b**."
    assert [word.word for word in best.words] == ["Hello", "there.", "And", "b**."]


async def test_the_first_requests_id_comes_back_with_every_response(served: Served) -> None:
    first = config(**PCM)
    first.id.CopyFrom(riva_common_pb2.RequestId(value="mine"))
    responses = await stream(served, [first, *in_chunks(np.tile(speech(), 2).tobytes())])
    assert [response.id.value for response in responses] == ["mine", "mine"]


@pytest.mark.parametrize("size", [1, 7, 45])
async def test_a_riff_header_is_taken_off_however_it_is_split(served: Served, size: int) -> None:
    content = wav(speech())
    requests = [*in_chunks(content[:90], size), *in_chunks(content[90:])]
    for encoding in (0, 1):
        responses = await stream(served, [config(encoding=encoding, sample_rate_hertz=8_000), *requests])
        assert [response.results[0].is_final for response in responses] == [True]
    lengths = [window.window.seconds for window in served.engine.windows]
    assert lengths == pytest.approx([lengths[0], lengths[0]]), "the header's rate counts, whatever the config says"
    assert lengths[0] < len(speech()) / RATE


async def test_a_container_is_recognised_whatever_the_rate_says(served: Served) -> None:
    content = (RECORDINGS / "en-02.flac").read_bytes()
    for encoding in (0, 2):
        responses = await stream(
            served, [config(encoding=encoding, sample_rate_hertz=44_100), *in_chunks(content, 999)]
        )
        assert responses[-1].results[0].audio_processed == pytest.approx(3.01, abs=0.01)


async def test_headerless_bytes_need_a_rate(served: Served) -> None:
    content = in_chunks(speech().tobytes())
    assert len(await stream(served, [config(sample_rate_hertz=RATE), *content])) == 1
    code, trouble = await refusal(served, [config(), *content])
    assert (code, "headerless samples need an encoding and a sample rate" in trouble) == (INVALID, True)


FIRST = "the first request of a stream must hold its streaming_config, and it holds "
LATER = "a stream's later requests must hold audio_content, and one holds "


@pytest.mark.parametrize(
    ("requests", "trouble"),
    [
        ([], "the stream ended before its first request: send a streaming_config, then audio"),
        ([audio(b"RIFF")], f"{FIRST}audio_content"),
        ([riva_asr_pb2.StreamingRecognizeRequest()], f"{FIRST}nothing"),
        ([config(**PCM), config(**PCM)], f"{LATER}streaming_config"),
        ([config(**PCM), *in_chunks(bytes(32_000)), config(**PCM)], f"{LATER}streaming_config"),
        ([config(**PCM), riva_asr_pb2.StreamingRecognizeRequest()], f"{LATER}nothing"),
        (
            [config(**PCM), riva_asr_pb2.StreamingRecognizeRequest(audio_content=b"", runtime_config={"a": "b"})],
            "runtime_config: nothing can be changed while a stream goes on",
        ),
        ([config(**PCM)], "the request holds no audio"),
        ([config(encoding=2), *in_chunks(bytes(32_000))], "the request says that its audio is FLAC"),
        ([config(profanity_filter=True)], "profanity_filter: this server has no list of words"),
        ([config(diarization_config={"enable_speaker_diarization": True})], "diarization_config: "),
        ([config(custom_configuration={"vad_filter": "false"})], "vad_filter: pauses end a stream's utterances"),
        ([config(endpointing_config={"stop_history": 20_000})], "endpointing: stop_history_ms is 20000"),
    ],
)
async def test_a_stream_that_cannot_be_right_is_refused(served: Served, requests: list[Any], trouble: str) -> None:
    code, details = await refusal(served, requests)
    assert (code, details[: len(trouble)]) == (INVALID, trouble)
    await until(lambda: served.metric("whisper_server_active_streams") == 0)


async def test_a_stream_may_go_on_for_longer_than_a_request_may(serve: Serve) -> None:
    served = await serve(max_audio_seconds=1)
    assert len(await stream(served, [config(**PCM), *in_chunks(speech().tobytes())])) == 1


async def test_another_model_is_not_found(served: Served) -> None:
    code, _ = await refusal(served, [config(model="large")])
    assert code is grpc.StatusCode.NOT_FOUND


async def test_a_stream_too_many_is_told_when_to_try_again(serve: Serve) -> None:
    served = await serve(max_streams=1)
    served.engine.gate.clear()
    call = served.stub.StreamingRecognize(iter([config(**PCM), *in_chunks(speech().tobytes())]))
    await until(lambda: served.engine.windows)
    refused = await failure(served, [config(**PCM), *in_chunks(speech().tobytes())])
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(refused)
    assert status.details[0].Unpack(error_details_pb2.RetryInfo())
    served.engine.gate.set()
    assert len([response async for response in call]) == 1


async def test_a_client_that_vanishes_leaves_nothing_behind(served: Served) -> None:
    served.engine.gate.clear()
    call = served.stub.StreamingRecognize(iter([config(**PCM), *in_chunks(speech().tobytes())]))
    await until(lambda: served.engine.windows)
    call.cancel()
    await until(lambda: served.engine.given_up == 1)
    await until(lambda: served.metric("whisper_server_active_streams") == 0)
    labels = {"method": "StreamingRecognize", "code": "CANCELLED"}
    await until(lambda: served.metric("whisper_server_requests_total", **labels) == 1)


async def test_a_caller_that_falls_silent_gets_what_it_said_and_why_the_stream_ends(serve: Serve) -> None:
    served = await serve(idle_timeout_seconds=1)
    call = served.stub.StreamingRecognize()
    for request in [config(**PCM), *in_chunks(speech().tobytes())]:
        await call.write(request)
    assert (await call.read()).results[0].is_final
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await call.details()).startswith("nothing came for 1 s: send silence while nobody speaks")
    await until(lambda: served.metric("whisper_server_active_streams") == 0)


async def test_a_stream_beyond_its_callers_deadline_leaves_the_engine(served: Served) -> None:
    served.engine.gate.clear()
    call = served.stub.StreamingRecognize(iter([config(**PCM), *in_chunks(speech().tobytes())]), timeout=1)
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: served.engine.given_up == 1)
    await until(lambda: served.metric("whisper_server_active_streams") == 0)


async def test_an_engines_failure_in_a_stream_tells_the_caller_an_id(served: Served) -> None:
    served.engine.error = RuntimeError("CUDA failed with error unknown")
    code, trouble = await refusal(served, [config(**PCM), *in_chunks(speech().tobytes())])
    assert code is grpc.StatusCode.INTERNAL
    assert trouble.startswith("internal error; the server's log has it under request id ")
    served.engine.error = None
    assert len(await stream(served, [config(**PCM), *in_chunks(speech().tobytes())])) == 1
