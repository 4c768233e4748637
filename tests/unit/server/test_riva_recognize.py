"""Recognize over real gRPC, an engine of the test's own behind it."""

import asyncio
import logging
import math
import sys

import grpc
import numpy as np
import pytest
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status
from riva.client.proto import riva_asr_pb2, riva_common_pb2

from tests.unit.server.audio_files import SECONDS, encode, tone, wav
from tests.unit.server.conftest import ENGLISH_ONLY, RECORDING, Serve, Served, recognize_request
from tests.unit.server.fakes import SILENCE
from tests.unit.server.hostile_audio import HOSTILE
from tests.unit.server.waiting import until
from whisper_server.rpc.riva_config import _ENCODINGS

INVALID = grpc.StatusCode.INVALID_ARGUMENT


async def test_a_recording_has_one_result_with_all_its_text_and_whispers_leading_space(served: Served) -> None:
    response = await served.recognize()
    assert len(response.results) == 1
    assert len(response.results[0].alternatives) == 1
    assert response.results[0].alternatives[0].transcript == " Hello there. And bye."
    assert response.results[0].channel_tag == 1
    assert response.results[0].audio_processed == pytest.approx(SECONDS)
    assert list(response.results[0].alternatives[0].language_code) == ["en"]


async def test_confidence_is_the_exponential_of_the_tokens_mean_log_probability(served: Served) -> None:
    response = await served.recognize()
    assert response.results[0].alternatives[0].confidence == pytest.approx(math.exp((-0.1 * 4 - 0.4 * 2) / 6))


async def test_words_have_times_in_milliseconds(served: Served) -> None:
    response = await served.recognize(enable_word_time_offsets=True)
    words = response.results[0].alternatives[0].words
    assert [word.word for word in words] == ["Hello", "there.", "And", "bye."]
    assert [(word.start_time, word.end_time) for word in words[:2]] == [(500, 750), (800, 1250)]
    assert words[0].confidence == pytest.approx(0.9)
    assert words[0].language_code == "en"


async def test_silence_is_one_empty_result(served: Served) -> None:
    served.engine.answer = SILENCE
    response = await served.recognize(wav(np.zeros(16_000, np.int16)))
    assert [result.alternatives[0].transcript for result in response.results] == [""]
    assert response.results[0].alternatives[0].confidence == 0
    assert response.results[0].audio_processed == pytest.approx(1)


async def test_the_requests_id_comes_back(served: Served) -> None:
    request = recognize_request()
    request.id.CopyFrom(riva_common_pb2.RequestId(value="mine"))
    assert (await served.stub.Recognize(request)).id.value == "mine"
    assert not (await served.recognize()).HasField("id")


async def test_the_engine_gets_the_samples(served: Served) -> None:
    await served.recognize(tone(8_000).tobytes(), encoding=1, sample_rate_hertz=8_000, audio_channel_count=1)
    assert len(served.engine.requests[0].samples) == pytest.approx(SECONDS * 16_000, abs=16)


SPOKEN = tone(8_000)
STEREO = np.repeat(SPOKEN, 2)


@pytest.mark.parametrize(
    ("audio", "encoding", "rate", "channels"),
    [
        (SPOKEN.tobytes(), 1, 8_000, 0),
        (STEREO.tobytes(), 1, 8_000, 2),
        (SPOKEN.tobytes(), 0, 8_000, 1),
        (wav(SPOKEN, 8_000), 1, 44_100, 2),
        (wav(SPOKEN, 8_000), 0, 44_100, 2),
        (encode("flac", "flac", 8_000), 2, 44_100, 2),
        (encode("mulaw", "pcm_mulaw", 8_000), 3, 8_000, 1),
        (encode("ogg", "libopus", 48_000), 4, 8_000, 1),
        (encode("alaw", "pcm_alaw", 8_000), 20, 8_000, 1),
        (encode("mp3", "libmp3lame", 44_100), 0, 8_000, 1),
    ],
)
async def test_every_encoding_is_read_with_its_rate_and_channels(
    served: Served, audio: bytes, encoding: int, rate: int, channels: int
) -> None:
    response = await served.recognize(audio, encoding=encoding, sample_rate_hertz=rate, audio_channel_count=channels)
    assert response.results[0].audio_processed == pytest.approx(SECONDS, abs=0.06)


async def test_headerless_bytes_without_encoding_and_rate_are_refused(served: Served) -> None:
    code, trouble = await served.refusal(SPOKEN.tobytes())
    assert (code, "headerless samples need an encoding and a sample rate" in trouble) == (INVALID, True)


async def test_audio_that_cannot_be_read_is_an_invalid_argument_with_its_trouble(served: Served) -> None:
    assert await served.refusal(b"") == (INVALID, "the request holds no audio")
    assert await served.refusal(RECORDING[:9_000]) == (
        INVALID,
        f"the audio is cut short: 9000 of the {len(RECORDING)} bytes of its WAV file are here",
    )
    assert served.engine.requests == []
    # The call counts once it is over, which the client can know sooner.
    await until(
        lambda: served.metric("whisper_server_requests_total", method="Recognize", code="INVALID_ARGUMENT") == 2
    )


async def test_nothing_hostile_stops_the_server(serve: Serve) -> None:
    served = await serve(max_audio_seconds=60)
    for name, (data, encoding, rate, trouble) in HOSTILE.items():
        number = next(number for number, known in _ENCODINGS.items() if known is encoding)
        code, details = await served.refusal(data, encoding=number, sample_rate_hertz=rate)
        assert (code, trouble in details) == (INVALID, True), name
    assert (await served.recognize()).results
    assert served.metric("whisper_server_requests_in_progress") == 0


async def test_audio_longer_than_the_limit_is_refused(serve: Serve) -> None:
    served = await serve(max_audio_seconds=1)
    code, said = await served.refusal()
    assert (code, said.partition(":")[0]) == (INVALID, "the audio is longer than the 1 s that a request may hold")
    assert said.endswith("send it in parts, or to a server with a higher --max-audio-seconds")


async def test_a_message_larger_than_the_limit_is_refused_and_the_server_goes_on(serve: Serve) -> None:
    served = await serve(max_message_bytes=2**20)
    code, _ = await served.refusal(bytes(2**20))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await served.recognize()).results


async def test_messages_of_many_mebibytes_are_taken(served: Served) -> None:
    long = wav(np.zeros(16_000 * 60 * 20, np.int16))
    response = await served.recognize(long)
    assert response.results[0].audio_processed == pytest.approx(1200)


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("", None), ("multi", None), ("auto", None), ("en-US", "en"), ("ko", "ko"), ("nb-NO", "no"), ("zh-TW", "zh")],
)
async def test_language_tags_become_whispers_codes(served: Served, sent: str, meant: str | None) -> None:
    await served.recognize(language_code=sent)
    assert served.engine.requests[0].instructions.language == meant


async def test_a_language_that_the_model_does_not_know_is_refused_with_those_it_knows(served: Served) -> None:
    code, trouble = await served.refusal(language_code="fr-FR")
    assert code is INVALID
    assert "'fr-FR'" in trouble
    assert trouble.endswith("de, en, ko, no, zh")


async def test_an_english_only_model_refuses_other_languages_and_translation(serve: Serve) -> None:
    served = await serve(ENGLISH_ONLY)
    assert (await served.refusal(language_code="ko-KR"))[0] is INVALID
    assert await served.refusal(custom_configuration={"task": "translate"}) == (
        INVALID,
        "this model knows English only and cannot translate",
    )
    assert (await served.recognize(language_code="en-GB")).results


async def test_a_model_that_times_no_words_refuses_to(serve: Serve) -> None:
    served = await serve(ENGLISH_ONLY)
    code, trouble = await served.refusal(enable_word_time_offsets=True)
    assert (code, trouble) == (INVALID, "this model names no alignment heads and cannot tell the times of words")


async def test_any_of_the_models_names_will_do_and_another_is_not_found(served: Served) -> None:
    for name in ("", "small", "whisper-1"):
        assert (await served.recognize(model=name)).results
    assert await served.refusal(model="large") == (
        grpc.StatusCode.NOT_FOUND,
        "no model 'large' is served here, only small, whisper-1",
    )


async def test_the_models_are_listed_with_what_they_can_do(served: Served) -> None:
    response = await served.stub.GetRivaSpeechRecognitionConfig(riva_asr_pb2.RivaSpeechRecognitionConfigRequest())
    listed = [(config.model_name, config.parameters["type"]) for config in response.model_config]
    assert listed == [
        ("small", "offline"),
        ("small", "online"),
        ("whisper-1", "offline"),
        ("whisper-1", "online"),
    ]
    assert dict(response.model_config[0].parameters) == {
        "type": "offline",
        "language_code": "multi",
        "languages": "en,ko,zh,no,de",
        "sample_rate": "16000",
    }


async def test_one_model_can_be_asked_for_and_another_is_not_found(served: Served) -> None:
    ask = riva_asr_pb2.RivaSpeechRecognitionConfigRequest
    response = await served.stub.GetRivaSpeechRecognitionConfig(ask(model_name="whisper-1"))
    assert [config.model_name for config in response.model_config] == ["whisper-1", "whisper-1"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.stub.GetRivaSpeechRecognitionConfig(ask(model_name="large"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_when_too_many_wait_the_next_is_told_when_to_try_again(serve: Serve) -> None:
    served = await serve(max_requests=2)
    served.engine.gate.clear()
    calls = [asyncio.create_task(served.recognize()) for _ in range(2)]
    await until(lambda: served.metric("whisper_server_requests_in_progress") == 2)
    refused = served.stub.Recognize(recognize_request(b"not even looked at"))
    assert await refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(await refused.trailing_metadata())["grpc-retry-pushback-ms"] == "2000"
    status = await rpc_status.aio.from_call(refused)
    assert status.code == code_pb2.RESOURCE_EXHAUSTED
    hint = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(hint)
    assert hint.retry_delay.ToMilliseconds() == 2000
    served.engine.gate.set()
    assert all(response.results for response in await asyncio.gather(*calls))
    assert served.metric("whisper_server_requests_in_progress") == 0
    assert (await served.recognize()).results


async def test_a_cancelled_call_leaves_the_engine_and_its_place(serve: Serve) -> None:
    served = await serve(max_requests=3)
    served.engine.gate.clear()
    calls = [served.stub.Recognize(recognize_request()) for _ in range(3)]
    await until(lambda: len(served.engine.requests) == 3)
    for call in calls:
        call.cancel()
    await until(lambda: served.metric("whisper_server_requests_total", method="Recognize", code="CANCELLED") == 3)
    assert served.engine.given_up == 3
    assert served.metric("whisper_server_requests_in_progress") == 0


async def test_an_expired_call_leaves_the_engine(served: Served) -> None:
    served.engine.gate.clear()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.stub.Recognize(recognize_request(), timeout=1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: served.engine.given_up == 1)
    labels = {"method": "Recognize", "code": "DEADLINE_EXCEEDED"}
    await until(lambda: served.metric("whisper_server_requests_total", **labels) == 1)


async def test_an_engines_failure_tells_the_caller_an_id_and_the_log_the_rest(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.engine.error = RuntimeError("CUDA failed with error unknown")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await served.stub.Recognize(recognize_request(), metadata=(("x-request-id", "it-is-me"),))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details() == "internal error; the server's log has it under request id it-is-me"
    assert "CUDA failed" in caplog.text
    served.engine.error = None
    assert (await served.recognize()).results


async def test_the_callers_request_id_is_used_and_returned(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "whisper_server")
    call = served.stub.Recognize(recognize_request(), metadata=(("x-request-id", "abc-123"),))
    await call
    assert dict(await call.trailing_metadata())["x-request-id"] == "abc-123"


async def test_a_call_without_an_id_gets_one_of_its_own(served: Served) -> None:
    ids = set()
    for _ in range(2):
        call = served.stub.Recognize(recognize_request())
        await call
        ids.add(dict(await call.trailing_metadata())["x-request-id"])
    assert len(ids) == 2


async def test_the_log_tells_of_a_call_and_nothing_of_what_was_said(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await served.recognize(speech_contexts=[{"phrases": ["Hello there"]}])
    await until(lambda: "Recognize OK" in caplog.messages)
    line = next(record for record in caplog.records if record.message == "Recognize OK")
    assert vars(line)["code"] == "OK"
    assert "Hello" not in " ".join(str(vars(record)) for record in caplog.records)


async def test_requests_are_counted(served: Served) -> None:
    await served.recognize()
    # The call counts once it is over, which the client can know sooner.
    await until(lambda: served.metric("whisper_server_requests_total", method="Recognize", code="OK") == 1)
    assert served.metric("whisper_server_request_seconds_count", method="Recognize") == 1
    assert served.metric("whisper_server_audio_seconds_total") == pytest.approx(SECONDS)


def test_the_health_messages_of_rivas_package_stay_out_of_the_server() -> None:
    # They have the names of grpc_health's, and one process can hold only one of them.
    assert "grpc_health.v1.health_pb2" in sys.modules
    assert "riva.client.proto.health_pb2" not in sys.modules
