"""Words that an operator lists are masked as Riva masks them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.server.conftest import loopback_settings
from tests.unit.server.fakes import ENGLISH, HELLO
from whisper_server.artifact import open_artifact
from whisper_server.engine.interface import Alternative, Engine, Segment, Transcription, Word
from whisper_server.live.interface import Final, Interim
from whisper_server.profanity import ProfanityFilter
from whisper_server.security.mounted import MountedFileError
from whisper_server.serve import serve

WORDS = ("damn", "Süß", "hot dog", "hot", "젠장", "हिन्दी")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (" Damn, that is DAMN good.", " D***, that is D*** good."),
        (" Damned if I know.", " Damned if I know."),
        (" Damn's it!", " D***'s it!"),
        (" god-damn it", " god-d*** it"),
        (" SÜSS!", " S***!"),
        (" A hot dog, and a Hot-Dog.", " A h** d**, and a H**-D**."),
        (" A hot day for a dog.", " A h** day for a dog."),
        (" 젠장!", " 젠*!"),
        (" हिन्दी", " ह*****"),
        ("", ""),
    ],
)
def test_all_but_a_listed_words_first_letter_is_hidden(said: str, told: str) -> None:
    assert ProfanityFilter(WORDS).masked_text(said) == told


@given(st.text(), st.lists(st.text()))
def test_a_masked_text_is_as_long_as_it_was(text: str, words: list[str]) -> None:
    assert len(ProfanityFilter(words).masked_text(text)) == len(text)


def test_words_alternatives_and_streams_are_masked_as_the_text_is() -> None:
    words = (Word(" Hot", 0, 1, 0.9), Word(" do", 1, 2, 0.9), Word("gs?", 2, 3, 0.9))
    segment = Segment(" Hot dogs?", 0, 3, -0.1, 4, words, alternatives=(Alternative(" Hot dog!", -0.2, 4),))
    masked = replace(
        segment,
        text=" H** d***?",
        words=(replace(words[0], text=" H**"), replace(words[1], text=" d*"), replace(words[2], text="**?")),
        alternatives=(Alternative(" H** dog!", -0.2, 4),),
    )
    listed = ProfanityFilter(["hot", "dogs"])
    assert listed.masked(Transcription(ENGLISH, (segment,))) == Transcription(ENGLISH, (masked,))
    assert listed.masked_update(Final((segment,), ENGLISH, 3.0)) == Final((masked,), ENGLISH, 3.0)
    assert listed.masked_update(Interim(" Hot", 0.5, 1.0)) == Interim(" H**", 0.5, 1.0)


def test_a_text_without_them_is_left_alone() -> None:
    assert ProfanityFilter(WORDS).masked(HELLO) == HELLO


def test_a_file_lists_a_word_or_phrase_a_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffdamn\r\n\r\n  hot dog \n".encode())
    assert ProfanityFilter.read(path).masked_text("Damn hot dog") == "D*** h** d**"


@pytest.mark.parametrize(
    ("content", "trouble"),
    [(b"\xff\xfe", "is not UTF-8"), (b"", "lists no word"), (b"\n --- \n", "lists no word")],
)
def test_a_file_that_lists_nothing_is_told_at_the_start(tmp_path: Path, content: bytes, trouble: str) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(MountedFileError, match=trouble):
        ProfanityFilter.read(path)


def test_a_file_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(MountedFileError, match=r"words\.txt cannot be read: No such file"):
        ProfanityFilter.read(tmp_path / "words.txt")


async def test_a_server_whose_list_cannot_be_read_loads_no_model(published_artifact: Path, tmp_path: Path) -> None:
    async def load(*_: Any) -> Engine:
        raise AssertionError("nothing is loaded for a server that will not serve")

    settings = loopback_settings(profanity_words_file=tmp_path / "words.txt")
    with pytest.raises(MountedFileError, match=r"words\.txt cannot be read"):
        await serve(settings, open_artifact(published_artifact), load)
