"""The bounds of a request's options, the same for every front end."""

import math
from dataclasses import fields, replace
from typing import Any

import pytest

from whisper_server.engine.limits import (
    DECODING_RANGES,
    MAX_CONTEXT_CHARACTERS,
    VAD_RANGES,
    Range,
    check,
)
from whisper_server.engine.options import Context, DecodingOptions, Instructions, VadOptions
from whisper_server.errors import InvalidRequestError

#: What is either on or off needs no range.
SWITCHES = {"suppress_blank", "timestamps", "condition_on_previous_text"}
#: Under which each other option may have any value of its range.
WIDE = DecodingOptions(beam_size=16, patience=1.0)


WIDE_VAD = VadOptions(threshold=1.0, speech_pad_ms=0, max_speech_duration_s=30.0)


def decoding(name: str, value: float) -> Instructions:
    change: dict[str, Any] = {name: (value,) if name in {"temperatures", "suppress_tokens"} else value}
    return Instructions(decoding=replace(WIDE, **change))


def vad(name: str, value: float) -> Instructions:
    change: dict[str, Any] = {name: value}
    return Instructions(vad=replace(WIDE_VAD, **change))


def test_what_nobody_asked_for_is_within_the_bounds() -> None:
    check(Instructions())
    check(Instructions(vad=None))


def test_every_number_has_a_range() -> None:
    assert {field.name for field in fields(DecodingOptions)} == DECODING_RANGES.keys() | SWITCHES
    assert {field.name for field in fields(VadOptions)} == VAD_RANGES.keys()


@pytest.mark.parametrize(("name", "taken"), DECODING_RANGES.items())
def test_both_ends_of_a_decoding_options_range_are_taken_and_nothing_beyond(name: str, taken: Range) -> None:
    for value in taken:
        check(decoding(name, value))
    for value in (taken[0] - 1, taken[1] + 1, math.nan, math.inf):
        with pytest.raises(InvalidRequestError, match=f"^{name}: "):
            check(decoding(name, value))


@pytest.mark.parametrize(("name", "taken"), VAD_RANGES.items())
def test_both_ends_of_a_voice_activity_options_range_are_taken_and_nothing_beyond(name: str, taken: Range) -> None:
    for value in taken:
        check(vad(name, value))
    for value in (taken[0] - 1, taken[1] + 1, math.nan, math.inf):
        with pytest.raises(InvalidRequestError, match=f"^vad_{name}: "):
            check(vad(name, value))


@pytest.mark.parametrize(
    ("instructions", "trouble"),
    [
        (DecodingOptions(temperatures=()), "temperatures: at least one"),
        (DecodingOptions(temperatures=(0.0,) * 11), "temperatures: 11 values; 10 at most"),
        (DecodingOptions(suppress_tokens=(1,) * 1001), "suppress_tokens: 1001 values; 1000 at most"),
        (DecodingOptions(beam_size=1, patience=0.3), "patience: beam_size times patience"),
        (DecodingOptions(beam_size=3, alternatives=4), "alternatives: 4 are more than beam_size"),
        (DecodingOptions(beam_size=4, patience=0.5, alternatives=3), "alternatives: 3 are more than"),
    ],
)
def test_options_that_do_not_go_together_are_refused(instructions: DecodingOptions, trouble: str) -> None:
    with pytest.raises(InvalidRequestError, match=trouble):
        check(Instructions(decoding=instructions))


@pytest.mark.parametrize(
    ("options", "trouble"),
    [
        (VadOptions(threshold=0.4, neg_threshold=0.5), "vad_neg_threshold: it must not be above vad_threshold"),
        (VadOptions(max_speech_duration_s=1.0, speech_pad_ms=500), "vad_speech_pad_ms: nothing is left"),
    ],
)
def test_voice_activity_that_could_never_be_found_is_refused(options: VadOptions, trouble: str) -> None:
    with pytest.raises(InvalidRequestError, match=trouble):
        check(Instructions(vad=options))


@pytest.mark.parametrize("name", ["initial_prompt", "prefix", "hotwords"])
def test_a_text_longer_than_the_model_takes_is_refused_by_name(name: str) -> None:
    check(Instructions(context=Context(**{name: "x" * MAX_CONTEXT_CHARACTERS})))
    with pytest.raises(InvalidRequestError, match=f"^{name}: 1001 characters; a model takes 1000 at most"):
        check(Instructions(context=Context(**{name: "x" * (MAX_CONTEXT_CHARACTERS + 1)})))
