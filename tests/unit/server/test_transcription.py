"""Our own protocol over real gRPC, an engine of the test's own behind it."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest

from tests.unit.server.audio_files import SECONDS, tone, wav
from tests.unit.server.conftest import MODEL, RECORDING, Serve, Served
from tests.unit.server.fakes import ENGLISH, HELLO, SILENCE
from tests.unit.server.own_client import OwnClient, refused, upload
from tests.unit.server.test_riva_stream import speech
from tests.unit.server.waiting import until
from whisper_server import transcriber
from whisper_server.api import transcription_pb2 as pb
from whisper_server.api.transcription_pb2_grpc import TranscriptionStub
from whisper_server.cues.render import render
from whisper_server.cues.writers import Format
from whisper_server.engine.interface import Alternative, Transcription
from whisper_server.rpc import transcription

INVALID = grpc.StatusCode.INVALID_ARGUMENT
PCM = pb.AudioFormat(encoding=pb.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hertz=16_000)
SECOND = tone(seconds=1.0).tobytes()
DOCUMENTS = {
    pb.OUTPUT_FORMAT_TXT: Format.TXT,
    pb.OUTPUT_FORMAT_SRT: Format.SRT,
    pb.OUTPUT_FORMAT_VTT: Format.VTT,
    pb.OUTPUT_FORMAT_JSON: Format.JSON,
}


def config_message(**config: Any) -> pb.TranscribeRequest:
    return pb.TranscribeRequest(config=pb.TranscribeConfig(**config))


def idle(served: Served) -> bool:
    """Tell whether nothing is left of any call."""
    pumps = [task for task in asyncio.all_tasks() if "with_pauses" in str(task.get_coro())]
    return not pumps and served.metric("whisper_server_requests_in_progress") == 0


async def test_a_recording_has_its_language_its_segments_and_a_summary_in_this_order(served: Served) -> None:
    told = await OwnClient(served.port).transcribe()
    assert [kind for kind in told.order if kind != "progress"] == ["language", "segment", "segment", "summary"]
    assert told.language is not None
    assert told.language.language == "en"
    assert [(one.language, one.probability) for one in told.language.probabilities] == [("en", 0.9), ("ko", 0.1)]
    assert "".join(segment.text for segment in told.segments) == " Hello there. And bye."
    assert told.summary is not None
    assert told.summary.audio_seconds == pytest.approx(SECONDS)
    assert (told.summary.segments, told.summary.model, told.summary.model_digest) == (2, "small", f"sha256:{'ab' * 32}")


async def test_a_segment_has_its_words_and_all_that_is_known_of_it(served: Served) -> None:
    first = replace(
        HELLO.segments[0],
        no_speech_probability=0.25,
        compression_ratio=1.5,
        temperature=0.2,
        language="ko",
        alternatives=(Alternative(" Hallo.", -0.9, 3),),
    )
    served.engine.answer = Transcription(ENGLISH, (first,))
    (segment,) = (await OwnClient(served.port).transcribe(speech=pb.SpeechOptions(word_times=True))).segments
    assert [(word.text, word.start, word.end, word.probability) for word in segment.words] == [
        (" Hello", 0.5, 0.75, 0.9),
        (" there.", 0.8, 1.2504, 0.7),
    ]
    assert (segment.text, segment.start, segment.end) == (" Hello there.", 0.5, 1.25)
    assert (segment.mean_log_probability, segment.tokens, segment.no_speech_probability) == (-0.1, 4, 0.25)
    assert (segment.compression_ratio, segment.temperature, segment.language) == (1.5, 0.2, "ko")
    assert [(one.text, one.mean_log_probability, one.tokens) for one in segment.alternatives] == [(" Hallo.", -0.9, 3)]


@pytest.mark.parametrize(("asked", "form"), DOCUMENTS.items())
async def test_a_document_comes_in_pieces_beside_the_language_and_the_summary(
    served: Served, asked: pb.OutputFormat, form: Format
) -> None:
    told = await OwnClient(served.port).transcribe(output_format=asked)
    assert told.summary is not None
    assert told.text == render(form, HELLO, told.summary.audio_seconds)
    assert told.order.count("text") >= 2
    assert told.segments == []
    assert told.language is not None
    assert (told.order[0], told.order[-1], told.summary.segments) == ("language", "summary", 2)


@pytest.mark.parametrize(("asked", "form"), DOCUMENTS.items())
async def test_silence_is_no_segment_and_a_whole_document(served: Served, asked: pb.OutputFormat, form: Format) -> None:
    served.engine.answer = SILENCE
    silence = wav(np.zeros(16_000, np.int16))
    told = await OwnClient(served.port).transcribe(silence)
    assert told.segments == []
    assert told.summary is not None
    assert told.summary.segments == 0
    assert told.summary.audio_seconds == pytest.approx(1)
    document = await OwnClient(served.port).transcribe(silence, output_format=asked)
    assert document.text == render(form, SILENCE, 1.0)


async def test_segments_come_while_the_recording_is_still_sent(served: Served) -> None:
    served.engine.echo = " So."
    call = TranscriptionStub(served.channel).Transcribe()
    await call.write(config_message(audio_format=PCM))
    for number in range(3):
        await call.write(pb.TranscribeRequest(audio=SECOND))
        async with asyncio.timeout(240):
            while (await call.read()).WhichOneof("content") != "segment":
                pass
        assert served.engine.blocks >= number
    await call.done_writing()
    while not (last := await call.read()).HasField("summary"):
        pass
    assert last.summary.audio_seconds == pytest.approx(3)


async def test_progress_is_told_with_each_segment_and_while_there_is_none(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcription, "_PROGRESS_SECONDS", 0.01)
    served.engine.gate.clear()
    transcribing = asyncio.create_task(OwnClient(served.port).transcribe())
    await until(lambda: served.engine.requests)
    await asyncio.sleep(0.1)
    served.engine.gate.set()
    told = await transcribing
    assert told.order[0] == "progress"
    assert 0 < told.progress[0].decoded_seconds <= SECONDS
    assert told.progress[0].transcribed_seconds == 0
    assert [one.transcribed_seconds for one in told.progress[-2:]] == [1.25, 2.0]
    assert told.progress[-1].decoded_seconds == pytest.approx(SECONDS)
    assert len({(one.decoded_seconds, one.transcribed_seconds) for one in told.progress}) == len(told.progress)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([], "config: the call holds no message"),
        ([pb.TranscribeRequest(audio=RECORDING)], "config: the first message must hold it"),
        ([pb.TranscribeRequest()], "config: the first message must hold it"),
        ([*upload(RECORDING[:9_000]), config_message()], "config: only the first message may hold it"),
        ([config_message(), pb.TranscribeRequest(), *upload(RECORDING)[1:]], "audio: each message after the first"),
        ([config_message()], "the request holds no audio"),
        (upload(b"#EXTM3U\nhttp://127.0.0.1/x\n"), "the audio is in no container known here"),
    ],
)
async def test_messages_in_a_wrong_order_or_of_no_audio_are_refused(
    served: Served, messages: list[pb.TranscribeRequest], words: str
) -> None:
    code, told = await refused(OwnClient(served.port).transcribe_messages(messages))
    assert code is INVALID
    assert words in told
    await until(lambda: idle(served))


async def test_a_second_config_is_refused_in_a_live_stream_and_in_detection_too(served: Served) -> None:
    refusal = (INVALID, "config: only the first message may hold it")
    stream = pb.StreamTranscribeRequest(config=pb.StreamTranscribeConfig(audio_format=PCM))
    detect = pb.DetectLanguageRequest(config=pb.DetectLanguageConfig(audio_format=PCM))
    client = OwnClient(served.port)
    assert await refused(client.call(lambda stub: list(stub.StreamTranscribe(iter([stream, stream]))))) == refusal
    assert await refused(client.call(lambda stub: stub.DetectLanguage(iter([detect, detect])))) == refusal


async def test_a_caller_that_does_not_read_is_not_read_from(served: Served) -> None:
    served.engine.echo = "x" * 100_000
    call = TranscriptionStub(served.channel).Transcribe()
    await call.write(config_message(audio_format=PCM))

    async def send_for_ever() -> None:
        while True:
            await call.write(pb.TranscribeRequest(audio=SECOND))

    sending = asyncio.create_task(send_for_ever())
    heard = -1
    while heard != (heard := served.engine.blocks):  # noqa: ASYNC110 - until it hears nothing more
        await asyncio.sleep(0.5)
    assert 0 < heard < 100, "the answers to so many would fill memory"
    assert not sending.done()
    sending.cancel()
    call.cancel()
    await until(lambda: idle(served))


async def test_a_caller_that_vanishes_frees_everything(served: Served) -> None:
    served.engine.gate.clear()
    call = TranscriptionStub(served.channel).Transcribe(iter(upload(RECORDING)))
    await until(lambda: served.engine.requests)
    assert not idle(served)
    call.cancel()
    await until(lambda: idle(served))
    assert served.engine.given_up == 1


async def test_a_live_stream_that_is_given_up_frees_its_place(serve: Serve) -> None:
    served = await serve(max_streams=1)
    call = TranscriptionStub(served.channel).StreamTranscribe()
    await call.write(pb.StreamTranscribeRequest(config=pb.StreamTranscribeConfig(audio_format=PCM)))
    await call.write(pb.StreamTranscribeRequest(audio=SECOND))
    await until(lambda: served.metric("whisper_server_active_streams") == 1)
    assert (await refused(OwnClient(served.port).stream(audio_format=PCM)))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    call.cancel()
    await until(lambda: served.metric("whisper_server_active_streams") == 0)


async def test_a_caller_that_does_not_read_is_given_up(serve: Serve) -> None:
    served = await serve(write_timeout_seconds=1)
    served.engine.echo = "x" * 100_000
    messages = [config_message(audio_format=PCM), *[pb.TranscribeRequest(audio=SECOND)] * 100]
    call = TranscriptionStub(served.channel).Transcribe(iter(messages))
    expired = {"method": "Transcribe", "code": "DEADLINE_EXCEEDED"}
    await until(lambda: served.metric("whisper_server_requests_total", **expired))
    await until(lambda: idle(served))
    call.cancel()


async def test_a_caller_that_sends_nothing_more_is_given_up(serve: Serve) -> None:
    served = await serve(idle_timeout_seconds=1)
    call = TranscriptionStub(served.channel).Transcribe()
    await call.write(config_message(audio_format=PCM))
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: idle(served))


async def test_a_full_server_says_when_to_try_again(served: Served) -> None:
    served.engine.is_full = True
    with pytest.raises(grpc.RpcError) as caught:
        await OwnClient(served.port).transcribe()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert int(dict(caught.value.trailing_metadata())["grpc-retry-pushback-ms"]) > 0


async def test_the_sequential_plan_takes_two_hours_of_audio_at_most(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = OwnClient((await serve(max_audio_seconds=10_000)).port)
    assert (await client.model()).limits.max_sequential_audio_seconds == 2 * 3600
    monkeypatch.setattr(transcriber, "MAX_SEQUENTIAL_SECONDS", SECONDS - 0.5)
    assert (await client.transcribe()).segments
    code, words = await client.refusal(plan=pb.PLAN_SEQUENTIAL)
    assert code is INVALID
    assert "longer than" in words


async def test_a_languages_probabilities_are_told_before_all_of_a_recording_is_there(served: Served) -> None:
    answered = threading.Event()

    def messages() -> Iterator[pb.DetectLanguageRequest]:
        yield pb.DetectLanguageRequest(config=pb.DetectLanguageConfig(audio_format=PCM))
        yield from [pb.DetectLanguageRequest(audio=SECOND)] * 31
        assert answered.wait(240), "the answer comes while the recording goes on"

    def detect(stub: TranscriptionStub) -> pb.Language:
        try:
            found: pb.Language = stub.DetectLanguage(messages()).language
        finally:
            answered.set()
        return found

    async with asyncio.timeout(240):
        found = await OwnClient(served.port).call(detect)
    assert (found.language, found.probability) == ("en", 0.9)
    assert [one.language for one in found.probabilities] == ["en", "ko"]
    assert len(served.engine.windows[0].window.samples) == 30 * 16_000
    await until(lambda: idle(served))


async def test_a_short_recordings_language_is_told_at_its_end(served: Served) -> None:
    assert (await OwnClient(served.port).detect()).language == "en"
    assert (await refused(OwnClient(served.port).detect(b"")))[0] is INVALID


async def test_a_live_stream_has_interims_below_one_finals_and_a_summary(served: Served) -> None:
    told = await OwnClient(served.port).stream(speech().tobytes(), audio_format=PCM, interim_results=True)
    kinds = [response.WhichOneof("content") for response in told]
    assert (kinds[-2], kinds[-1]) == ("final", "summary")
    assert all(response.interim.stability < 1 for response in told if response.HasField("interim"))
    final = told[-2].final
    assert "".join(segment.text for segment in final.segments) == " Hello there. And bye."
    assert final.language.language == "en"
    assert told[-1].summary.segments == 2 * kinds.count("final")
    assert told[-1].summary.audio_seconds == pytest.approx(len(speech()) / 16_000)


async def test_a_live_stream_tells_finals_only_unless_asked(served: Served) -> None:
    told = await OwnClient(served.port).stream(speech().tobytes(), audio_format=PCM)
    assert {response.WhichOneof("content") for response in told} == {"final", "summary"}


async def test_get_model_tells_what_is_served_and_what_it_allows(serve: Serve) -> None:
    served = await serve(
        max_audio_seconds=100,
        max_upload_bytes=2_000_000,
        max_message_bytes=1_048_576,
        max_streams=3,
        max_deadline_seconds=500,
    )
    told = await OwnClient(served.port).model()
    assert list(told.model.names) == list(MODEL.names)
    assert list(told.model.languages) == list(MODEL.languages)
    assert (told.model.digest, told.model.device, told.model.compute_type) == (f"sha256:{'ab' * 32}", "cpu", "int8")
    assert (told.model.multilingual, told.model.word_times) == (True, True)
    limits = told.limits
    assert (limits.max_message_bytes, limits.max_upload_bytes) == (1_048_576, 2_000_000)
    assert (limits.max_audio_seconds, limits.max_sequential_audio_seconds) == (100, 100)
    assert (limits.max_context_characters, limits.max_streams, limits.max_deadline_seconds) == (1_000, 3, 500)
    assert {one.name: (one.minimum, one.maximum) for one in limits.option_ranges}["beam_size"] == (1, 16)


async def test_json_pieces_are_one_object(served: Served) -> None:
    told = await OwnClient(served.port).transcribe(output_format=pb.OUTPUT_FORMAT_JSON)
    assert json.loads(told.text)["duration"] == pytest.approx(SECONDS)
