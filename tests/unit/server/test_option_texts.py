"""Options as texts: what a form or a key-value field holds becomes what the engine takes, or a sentence."""

import contextlib
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_server.engine.limits import check
from whisper_server.engine.option_texts import OPTION_NAMES, with_options
from whisper_server.engine.options import DecodingOptions, Instructions, VadOptions
from whisper_server.errors import InvalidRequestError


def test_every_option_of_decoding_and_vad_has_a_name() -> None:
    names = {field.name for field in fields(DecodingOptions)} | {"vad_" + field.name for field in fields(VadOptions)}
    assert names | {"vad_filter"} == OPTION_NAMES


def test_texts_become_values_of_the_options_types() -> None:
    texts = {
        "beam_size": "3",
        "patience": "1.5",
        "suppress_blank": "false",
        "max_new_tokens": "100",
        "no_speech_threshold": "none",
        "temperatures": "0, 0.4,1",
        "suppress_tokens": "-1,5",
        "vad_threshold": "0.7",
        "vad_min_silence_duration_ms": "500",
    }
    changed = with_options(Instructions(), texts)
    assert changed.decoding == DecodingOptions(
        beam_size=3,
        patience=1.5,
        suppress_blank=False,
        max_new_tokens=100,
        no_speech_threshold=None,
        temperatures=(0.0, 0.4, 1.0),
        suppress_tokens=(-1, 5),
    )
    assert changed.vad == VadOptions(threshold=0.7, min_silence_duration_ms=500)


def test_voice_activity_can_be_turned_off() -> None:
    assert with_options(Instructions(), {"vad_filter": "false", "vad_threshold": "0.7"}).vad is None
    assert with_options(Instructions(), {"vad_filter": "true"}) == Instructions()


@pytest.mark.parametrize(
    ("name", "text", "trouble"),
    [
        ("beam_size", "five", "beam_size: 'five' is not a whole number"),
        ("beam_size", "9" * 20, f"beam_size: '{'9' * 20}' is not a whole number"),
        ("beam_size", "", "beam_size: '' is not a whole number"),
        ("patience", "nan", "patience: 'nan' is not a number"),
        ("patience", "none", "patience: 'none' is not a number"),
        ("suppress_blank", "maybe", "suppress_blank: 'maybe' is neither true nor false"),
        ("temperatures", "0,warm", "temperatures: '0,warm' is not a number"),
        ("vad_threshold", "x" * 1_000, f"vad_threshold: '{'x' * 40}' is not a number"),
        ("vad_filter", "off", "vad_filter: 'off' is neither true nor false"),
    ],
)
def test_a_text_that_is_no_value_is_one_sentence(name: str, text: str, trouble: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        with_options(Instructions(), {name: text})
    assert str(caught.value) == trouble


@given(st.dictionaries(st.sampled_from(sorted(OPTION_NAMES)), st.text()))
def test_any_text_is_a_value_or_a_sentence(texts: dict[str, str]) -> None:
    with contextlib.suppress(InvalidRequestError):
        check(with_options(Instructions(), texts))
