"""Termination messages fit where kubelet keeps them, whatever is written in them."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_contract.termination import MAX_BYTES, TerminationMessage

short = st.none() | st.text(st.characters(codec="utf-8"), max_size=40)
messages = st.builds(
    TerminationMessage,
    step=st.sampled_from(["pull", "convert", "publish"]),
    reason=st.just("InvalidModel"),
    message=st.text(st.characters(codec="utf-8"), max_size=3000),
    digest=short,
    source=short,
    format=short,
    quantization=short,
    size_bytes=st.none() | st.integers(0, 1 << 60),
)


@given(messages)
def test_a_message_always_fits_and_comes_back_with_only_its_text_shortened(message: TerminationMessage) -> None:
    encoded = message.encode()
    parsed = TerminationMessage.parse(encoded.decode())
    assert len(encoded) <= MAX_BYTES
    assert parsed is not None
    if parsed.message != message.message:
        assert parsed.message.endswith("…")
        assert message.message.startswith(parsed.message[:-1])
    assert replace(message, message=parsed.message) == parsed


@pytest.mark.parametrize("character", ["x", "é", "한", "😀", '"', "\n", "\x01"])
def test_as_much_of_a_long_text_is_kept_as_fits(character: str) -> None:
    encoded = TerminationMessage("pull", "Unauthorized", character * 4000).encode()
    longest_character = len(json.dumps(character, ensure_ascii=False).encode()) - 2
    assert MAX_BYTES - longest_character < len(encoded) <= MAX_BYTES


def test_half_a_character_of_a_foreign_file_name_does_no_harm() -> None:
    encoded = TerminationMessage("pull", "UnsafeArchive", "mod\udcff").encode()
    assert TerminationMessage.parse(encoded.decode()) is not None


def test_what_is_too_long_without_its_text_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="too long even without its text"):
        TerminationMessage("pull", "Published", "x", source="s" * 2000).encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "panic: exit status 2",
        "[]",
        "[" * 4096,
        "1",
        '{"v": 2, "step": "pull", "reason": "x", "message": "y"}',
        '{"v": 1}',
    ],
)
def test_last_words_of_another_program_are_no_message(text: str) -> None:
    assert TerminationMessage.parse(text) is None


def test_fields_of_the_wrong_kind_are_left_out() -> None:
    text = '{"v": 1, "step": "pull", "reason": "x", "message": "y", "digest": 7, "sizeBytes": true}'
    assert TerminationMessage.parse(text) == TerminationMessage("pull", "x", "y")
