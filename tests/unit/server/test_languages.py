"""Language tags of clients, and Whisper's codes."""

import pytest
from faster_whisper.tokenizer import _LANGUAGE_CODES

from whisper_server import languages
from whisper_server.errors import InvalidRequestError
from whisper_server.languages import language_name, whisper_language

KNOWN = frozenset(_LANGUAGE_CODES)


@pytest.mark.parametrize("tag", ["", "auto", "multi", "MULTI"])
def test_a_language_can_be_left_to_be_detected(tag: str) -> None:
    assert whisper_language(tag, KNOWN) is None


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en-US", "en"),
        ("EN_us", "en"),
        ("ko", "ko"),
        ("nb-NO", "no"),
        ("nn", "nn"),
        ("zh-TW", "zh"),
        ("cmn-Hant-TW", "zh"),
        ("yue", "yue"),
        ("jv", "jw"),
        ("fil-PH", "tl"),
        ("haw", "haw"),
    ],
)
def test_a_tag_becomes_whispers_code(tag: str, code: str) -> None:
    assert whisper_language(tag, KNOWN) == code


@pytest.mark.parametrize("tag", ["xx", "english", "-", "e n"])
def test_an_unknown_language_is_refused_with_the_known_ones(tag: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"send one of de, en$"):
        whisper_language(tag, {"en", "de"})


def test_every_alias_leads_to_a_code_that_whisper_has() -> None:
    assert set(languages._ALIASES.values()) <= KNOWN


def test_every_language_has_an_english_name_of_its_own() -> None:
    names = {language_name(code) for code in KNOWN}
    assert len(names) == len(KNOWN)
    assert all(name == name.lower() and len(name) > 2 for name in names)
    assert [language_name(code) for code in ("ko", "ht", "yue", "xx")] == [
        "korean",
        "haitian creole",
        "cantonese",
        "xx",
    ]
