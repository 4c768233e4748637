"""`custom_configuration`: Whisper's own options by key, as text that may be percent-encoded."""

from dataclasses import replace
from typing import Any

import grpc
import pytest

from tests.unit.server.conftest import ENGLISH_ONLY, Serve, Served
from whisper_server.engine.options import Context, DecodingOptions, Instructions, Task, VadOptions
from whisper_server.errors import InvalidRequestError
from whisper_server.rpc.riva_custom import KNOWN, read_custom


def decoding(**changes: Any) -> Instructions:
    return Instructions(decoding=replace(DecodingOptions(), **changes))


def vad(**changes: Any) -> Instructions:
    return Instructions(vad=replace(VadOptions(), **changes))


#: key -> (its text, what is asked for).
ROWS: dict[str, tuple[str, Instructions]] = {
    "task": ("translate", Instructions(task=Task.TRANSLATE)),
    "multilingual": ("true", Instructions(multilingual=True)),
    "initial_prompt": (
        "Glossary%3A%20LocalAgreement%2C%20Riva",
        Instructions(context=Context("Glossary: LocalAgreement, Riva")),
    ),
    "prompt": ("%ED%95%9C%EA%B5%AD", Instructions(context=Context(initial_prompt="한국"))),
    "prefix": ("So", Instructions(context=Context(prefix="So"))),
    "hotwords": ("Busan", Instructions(context=Context(hotwords="Busan"))),
    "beam_size": ("2", decoding(beam_size=2)),
    "best_of": ("3", decoding(best_of=3)),
    "patience": ("1.5", decoding(patience=1.5)),
    "length_penalty": ("0.5", decoding(length_penalty=0.5)),
    "repetition_penalty": ("1.2", decoding(repetition_penalty=1.2)),
    "no_repeat_ngram_size": ("3", decoding(no_repeat_ngram_size=3)),
    "temperature": ("0%2C0.4", decoding(temperatures=(0.0, 0.4))),
    "compression_ratio_threshold": ("none", decoding(compression_ratio_threshold=None)),
    "log_prob_threshold": ("-0.5", decoding(log_prob_threshold=-0.5)),
    "no_speech_threshold": ("0.3", decoding(no_speech_threshold=0.3)),
    "suppress_blank": ("false", decoding(suppress_blank=False)),
    "suppress_tokens": ("-1%2C11", decoding(suppress_tokens=(-1, 11))),
    "timestamps": ("true", decoding(timestamps=True)),
    "max_initial_timestamp": ("2", decoding(max_initial_timestamp=2.0)),
    "max_new_tokens": ("100", decoding(max_new_tokens=100)),
    "vad_filter": ("false", Instructions(vad=None)),
    "vad_threshold": ("0.6", vad(threshold=0.6)),
    "vad_neg_threshold": ("0.2", vad(neg_threshold=0.2)),
    "vad_min_speech_duration_ms": ("100", vad(min_speech_duration_ms=100)),
    "vad_max_speech_duration_s": ("20", vad(max_speech_duration_s=20.0)),
    "vad_min_silence_duration_ms": ("500", vad(min_silence_duration_ms=500)),
    "vad_speech_pad_ms": ("200", vad(speech_pad_ms=200)),
    "source_language": ("ko-KR", Instructions(language="ko")),
    "target_language": ("en", Instructions()),
}


def test_every_key_has_its_row() -> None:
    assert ROWS.keys() == set(KNOWN)


@pytest.mark.parametrize("key", ROWS)
async def test_key_is_honoured(served: Served, key: str) -> None:
    text, asked = ROWS[key]
    await served.recognize(custom_configuration={key: text})
    assert served.engine.requests[0].instructions == asked


async def test_an_unknown_key_is_named_with_the_known_ones(served: Served) -> None:
    code, trouble = await served.refusal(custom_configuration={"task": "translate", "diarise": "yes"})
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert trouble == f"custom_configuration: 'diarise' is unknown; known: {', '.join(KNOWN)}"


@pytest.mark.parametrize(
    ("custom", "trouble"),
    [
        ({"beam_size": "5.5"}, "beam_size: '5.5' is not a whole number"),
        ({"beam_size": "17"}, "beam_size: 17 is not from 1 to 16"),
        ({"temperature": "hot"}, "temperatures: 'hot' is not a number"),
        ({"temperature": "2"}, "temperatures: 2 is not from 0 to 1"),
        ({"patience": "nan"}, "patience: 'nan' is not a number"),
        ({"multilingual": "1"}, "multilingual: '1' is neither true nor false"),
        ({"prompt": "a", "initial_prompt": "b"}, "prompt and initial_prompt are the same"),
        ({"prompt": "%FF"}, "what prompt is when percent-decoded is not UTF-8"),
        ({"prompt": "x" * 12_001}, "prompt has 12001 characters; 12000 at most"),
        ({"prompt": "x" * 1_001}, "initial_prompt: 1001 characters; a model takes 1000 at most"),
        ({"condition_on_previous_text": "false"}, "'condition_on_previous_text' is unknown"),
        ({"source_language": "tlh"}, "language 'tlh' is not one that this model knows"),
        ({"task": "translate", "target_language": "de"}, "target_language: 'de': Whisper translates into English only"),
        ({"source_language": "ko", "target_language": "en"}, "target_language: 'en': send task translate too"),
    ],
)
async def test_what_cannot_be_done_is_said_by_key(served: Served, custom: dict[str, str], trouble: str) -> None:
    code, details = await served.refusal(custom_configuration=custom)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert trouble in details


async def test_the_spoken_language_is_not_told_in_two_ways(served: Served) -> None:
    code, trouble = await served.refusal(language_code="en-US", custom_configuration={"source_language": "ko"})
    assert (code, trouble) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "source_language: 'ko' is not language_code, 'en'",
    )


@pytest.mark.parametrize("source", ["", "ko"])
async def test_a_translation_may_name_english_as_its_target(served: Served, source: str) -> None:
    custom = {"task": "translate", "source_language": source, "target_language": "en-US"}
    await served.recognize(custom_configuration=custom)
    assert served.engine.requests[0].instructions.task is Task.TRANSLATE


async def test_an_english_only_model_is_not_asked_for_each_windows_language(serve: Serve) -> None:
    served = await serve(ENGLISH_ONLY)
    code, trouble = await served.refusal(custom_configuration={"multilingual": "true"})
    assert (code, trouble) == (grpc.StatusCode.INVALID_ARGUMENT, "multilingual: this model knows English only")


def test_the_names_of_millions_of_keys_are_not_repeated() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_custom({"k" * 100_000: ""})
    assert len(str(caught.value)) < 1_000
