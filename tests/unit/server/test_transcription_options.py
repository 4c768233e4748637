"""Every option of our own protocol reaches the engine; every wrong value is refused by its name."""

import inspect
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import grpc
import pytest
from faster_whisper import WhisperModel

from tests.unit.server.conftest import ENGLISH_ONLY, Serve, Served
from tests.unit.server.own_client import OwnClient, refused
from whisper_server.api import transcription_pb2 as pb
from whisper_server.engine.options import Context, DecodingOptions, Instructions, Plan, Task, VadOptions
from whisper_server.live.interface import Endpointing

INVALID = grpc.StatusCode.INVALID_ARGUMENT

#: A value of each option that is not its default.
DECODING: dict[str, Any] = {
    "beam_size": 3,
    "best_of": 2,
    "patience": 1.5,
    "length_penalty": 0.8,
    "repetition_penalty": 1.1,
    "no_repeat_ngram_size": 3,
    "temperatures": (0.0, 0.2),
    "compression_ratio_threshold": 2.0,
    "log_prob_threshold": -0.5,
    "no_speech_threshold": 0.4,
    "suppress_blank": False,
    "suppress_tokens": (5, 7),
    "timestamps": True,
    "max_initial_timestamp": 0.5,
    "max_new_tokens": 100,
    "alternatives": 2,
    "condition_on_previous_text": False,
    "prompt_reset_on_temperature": 0.4,
    "hallucination_silence_threshold": 2.0,
}
VAD: dict[str, Any] = {
    "threshold": 0.6,
    "neg_threshold": 0.3,
    "min_speech_duration_ms": 100,
    "max_speech_duration_s": 20.0,
    "min_silence_duration_ms": 500,
    "speech_pad_ms": 100,
}
ENDPOINTING: dict[str, Any] = {
    "start_history_ms": 100,
    "start_threshold": 0.6,
    "stop_history_ms": 500,
    "stop_threshold": 0.2,
    "max_utterance_seconds": 10.0,
}


def decoding_message(name: str, value: Any) -> pb.DecodingOptions:
    options: dict[str, Any] = {name: pb.TokenIds(ids=value) if name == "suppress_tokens" else value}
    return pb.DecodingOptions(**options)


async def instructions_of(served: Served, **config: Any) -> Instructions:
    await OwnClient(served.port).transcribe(**config)
    return served.engine.requests[-1].instructions


async def speech_of(served: Served, **speech: Any) -> Instructions:
    return await instructions_of(served, speech=pb.SpeechOptions(**speech))


async def test_what_is_absent_has_the_engines_default(served: Served) -> None:
    assert await instructions_of(served) == Instructions()
    empty = pb.SpeechOptions(decoding=pb.DecodingOptions(), vad=pb.VadOptions())
    assert await instructions_of(served, speech=empty) == Instructions()


def test_every_option_of_the_engine_has_a_field_and_every_field_an_option() -> None:
    def names(message: Any) -> set[str]:
        return {field.name for field in message.DESCRIPTOR.fields}

    assert names(pb.DecodingOptions) == {field.name for field in fields(DecodingOptions)} == DECODING.keys()
    assert (
        names(pb.VadOptions) == {field.name for field in fields(VadOptions)} | {"enabled"} == VAD.keys() | {"enabled"}
    )
    assert names(pb.Endpointing) == {field.name for field in fields(Endpointing)} == ENDPOINTING.keys()
    assert names(pb.SpeechOptions) == {
        *({field.name for field in fields(Instructions)} - {"plan", "context"}),
        *(field.name for field in fields(Context)),
    }


#: faster-whisper's names of what has another one here, or stands elsewhere in the request.
RENAMED = {
    "temperature": "temperatures",
    "without_timestamps": "timestamps",
    "word_timestamps": "word_times",
    "vad_filter": "vad",
    "vad_parameters": "vad",
}
#: What is of no use, or is about the process and not about the speech.
LEFT_OUT = {
    "chunk_length",
    "clip_timestamps",
    "prepend_punctuations",
    "append_punctuations",
    "language_detection_threshold",
    "language_detection_segments",
}


def test_every_option_of_faster_whisper_has_a_field_or_is_told_to_be_left_out() -> None:
    theirs = set(inspect.signature(WhisperModel.transcribe).parameters) - {"self", "audio", "log_progress"}
    ours = {field.name for message in (pb.SpeechOptions, pb.DecodingOptions) for field in message.DESCRIPTOR.fields}
    assert {RENAMED.get(name, name) for name in theirs - LEFT_OUT} <= ours
    page = (Path(__file__).parents[3] / "docs" / "server.md").read_text()
    left_out = page.split("Of faster-whisper's options these are left out:")[1].split("\n- ")[0]
    assert {name for name in LEFT_OUT if f"`{name}`" in left_out} == LEFT_OUT <= theirs


@pytest.mark.parametrize(("name", "value"), DECODING.items())
async def test_a_decoding_option_reaches_the_engine_and_no_other_changes(served: Served, name: str, value: Any) -> None:
    options = (await speech_of(served, decoding=decoding_message(name, value))).decoding
    expected = {field.name: getattr(DecodingOptions(), field.name) for field in fields(options)} | {name: value}
    assert {field.name: getattr(options, field.name) for field in fields(options)} == expected


@pytest.mark.parametrize(("name", "value"), VAD.items())
async def test_a_voice_activity_option_reaches_the_engine(served: Served, name: str, value: Any) -> None:
    options = (await speech_of(served, vad=pb.VadOptions(**{name: value}))).vad
    assert options is not None
    assert getattr(options, name) == value != getattr(VadOptions(), name)


async def test_voice_activity_can_be_switched_off(served: Served) -> None:
    assert (await speech_of(served, vad=pb.VadOptions(enabled=False, threshold=0.3))).vad is None
    assert (await speech_of(served, vad=pb.VadOptions(enabled=True))).vad == VadOptions()


async def test_no_token_need_be_suppressed(served: Served) -> None:
    assert (await speech_of(served, decoding=decoding_message("suppress_tokens", ()))).decoding.suppress_tokens == ()


@pytest.mark.parametrize(
    ("speech", "field", "value"),
    [
        ({"language": "en-US"}, "language", "en"),
        ({"language": "auto"}, "language", None),
        ({"task": pb.TASK_TRANSLATE}, "task", Task.TRANSLATE),
        ({"task": pb.TASK_TRANSCRIBE}, "task", Task.TRANSCRIBE),
        ({"word_times": True}, "word_times", True),
        ({"multilingual": True}, "multilingual", True),
        ({"initial_prompt": "Glossary."}, "context", Context(initial_prompt="Glossary.")),
        ({"prefix": "So"}, "context", Context(prefix="So")),
        ({"hotwords": "Whisper"}, "context", Context(hotwords="Whisper")),
        ({"hotwords": ""}, "context", Context()),
    ],
)
async def test_how_speech_is_written_down_reaches_the_engine(
    served: Served, speech: dict[str, Any], field: str, value: Any
) -> None:
    assert getattr(await speech_of(served, **speech), field) == value


@pytest.mark.parametrize("subtitles", [pb.OUTPUT_FORMAT_SRT, pb.OUTPUT_FORMAT_VTT])
async def test_subtitles_have_word_times_where_the_model_can_tell_them(
    serve: Serve, subtitles: pb.OutputFormat
) -> None:
    assert (await instructions_of(await serve(), output_format=subtitles)).word_times
    assert not (await instructions_of(await serve(ENGLISH_ONLY), output_format=subtitles)).word_times


async def test_the_plan_reaches_the_engine(served: Served) -> None:
    assert (await instructions_of(served, plan=pb.PLAN_SEQUENTIAL)).plan is Plan.SEQUENTIAL
    assert (await instructions_of(served, plan=pb.PLAN_INDEPENDENT)).plan is Plan.INDEPENDENT


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"plan": 9}, "plan"),
        ({"output_format": -1}, "output_format"),
        ({"audio_format": pb.AudioFormat.FromString(b"\x08\x4d")}, "audio_format.encoding"),
        ({"speech": pb.SpeechOptions.FromString(b"\x10\x05")}, "task"),
        ({"speech": pb.SpeechOptions(language="xx")}, "language"),
        ({"speech": pb.SpeechOptions(initial_prompt="x" * 1001)}, "initial_prompt"),
        ({"speech": pb.SpeechOptions(prefix="x" * 1001)}, "prefix"),
        ({"speech": pb.SpeechOptions(hotwords="x" * 1001)}, "hotwords"),
        ({"speech": pb.SpeechOptions(vad=pb.VadOptions(threshold=0.2, neg_threshold=0.4))}, "vad_neg_threshold"),
        ({"speech": pb.SpeechOptions(decoding=pb.DecodingOptions(temperatures=[0.0] * 11))}, "temperatures"),
        ({"speech": pb.SpeechOptions(decoding=pb.DecodingOptions(temperatures=[math.nan]))}, "temperatures"),
        ({"speech": pb.SpeechOptions(decoding=pb.DecodingOptions(beam_size=2, alternatives=3))}, "alternatives"),
    ],
)
async def test_a_value_without_sense_is_refused_by_its_name(served: Served, config: dict[str, Any], field: str) -> None:
    code, words = await OwnClient(served.port).refusal(**config)
    assert code is INVALID, words
    assert words.startswith((f"{field}: ", f"{field} ")), words
    assert served.engine.requests == []


async def test_every_number_beyond_what_get_model_tells_is_refused_by_its_name(served: Served) -> None:
    client = OwnClient(served.port)
    ranges = (await client.model()).limits.option_ranges
    assert {taken.name for taken in ranges} >= DECODING.keys() - {
        "suppress_blank",
        "timestamps",
        "condition_on_previous_text",
    }
    for taken in ranges:
        for value in (taken.minimum - 1, taken.maximum + 1):
            code, words = await client.refusal_of_number(taken.name, value)
            assert code is INVALID, words
            assert taken.name.removeprefix("endpointing_") in words, (taken.name, words)


async def test_another_model_is_not_found_by_any_call(served: Served) -> None:
    client, missing = OwnClient(served.port), grpc.StatusCode.NOT_FOUND
    for call in (client.transcribe(model="large"), client.stream(model="large"), client.detect(model="large")):
        assert await refused(call) == (missing, "no model 'large' is served here, only small, whisper-1")
    assert (await refused(client.model("large")))[0] is missing
    assert (await client.transcribe(model="whisper-1")).segments


async def test_an_english_only_model_refuses_what_it_cannot_do(serve: Serve) -> None:
    client = OwnClient((await serve(ENGLISH_ONLY)).port)
    for speech, words in (
        (pb.SpeechOptions(language="ko"), "language 'ko'"),
        (pb.SpeechOptions(task=pb.TASK_TRANSLATE), "knows English only"),
        (pb.SpeechOptions(word_times=True), "cannot tell the times of words"),
    ):
        code, told = await client.refusal(speech=speech)
        assert code is INVALID, words
        assert words in told


@pytest.mark.parametrize(("name", "value"), ENDPOINTING.items())
async def test_a_wrong_end_of_utterances_is_refused_by_name(served: Served, name: str, value: Any) -> None:
    endpointing = pb.Endpointing(**{name: type(value)(-1)})
    code, words = await refused(OwnClient(served.port).stream(endpointing=endpointing))
    assert code is INVALID, words
    assert f"endpointing: {name} is -1" in words
