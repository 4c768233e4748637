"""A recording whose text is known: a server that hears it wrongly does not serve, however well its device works."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from whisper_server.cues.scripts import is_mark, is_unspaced
from whisper_server.engine.interface import Engine
from whisper_server.errors import InvalidRequestError, TooLargeError
from whisper_server.security.mounted import MountedFileError, read_file
from whisper_server.warm_up import transcribe_clip

#: A text in a message: enough to see what went wrong, little enough for a termination message with two.
_SHOWN_CHARACTERS = 200


class GoldenClipError(Exception):
    """The clip came out wrong; the text is a sentence with what was expected and what was heard."""


@dataclass(frozen=True, slots=True)
class GoldenClip:
    """A clip and what it must come out as.

    Attributes:
        file: where the audio was read from, for messages.
        text: what is said in it.
        max_error_percent: of word errors, at most.
    """

    file: Path
    audio: bytes = field(repr=False)
    text: str
    max_error_percent: int

    @classmethod
    def read(cls, audio: Path, text: Path, max_error_percent: int) -> "GoldenClip":
        """Return the clip in the two files.

        Raises:
            MountedFileError: when one cannot be read, or the text is not UTF-8 or holds no word.
        """
        try:
            expected = read_file(text).decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise MountedFileError(f"{text} is not UTF-8: it is to hold what is said in the golden clip") from error
        if not _words(expected):
            raise MountedFileError(f"{text} holds no word: it is to hold what is said in the golden clip")
        return cls(audio, read_file(audio), expected, max_error_percent)

    async def check(self, engine: Engine) -> float:
        """Transcribe the clip as requests are, and return its word errors in percent of the words expected.

        Raises:
            GoldenClipError: when there are more of them than may be.
            MountedFileError: when the audio cannot be read.
        """
        try:
            transcription = await transcribe_clip(engine, self.audio, word_times=False)
        except (InvalidRequestError, TooLargeError) as error:
            raise MountedFileError(f"the golden clip {self.file} cannot be read: {error}") from error
        heard = "".join(segment.text for segment in transcription.segments).strip()
        percent = word_error_percent(self.text, heard)
        if percent > self.max_error_percent:
            raise GoldenClipError(
                f"the golden clip came out with {percent:.0f} % of word errors, and {self.max_error_percent} % are "
                f"allowed: expected {_shown(self.text)}, heard {_shown(heard)}"
            )
        return percent


def word_error_percent(expected: str, heard: str) -> float:
    """Return how many words were inserted, left out or exchanged, in percent of those expected.

    Case and punctuation do not count. Of scripts that put no spaces between words each character counts as one.
    """
    words = _words(expected)
    return 100 * _distance(words, _words(heard)) / len(words)


def _distance(expected: Sequence[str], heard: Sequence[str]) -> int:
    """Return the edit distance (Levenshtein) of two lists of words."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(expected, start=1):
        before, row = row, [number]
        for at, other in enumerate(heard):
            row.append(min(before[at] + (word != other), before[at + 1] + 1, row[at] + 1))
    return row[-1]


def _words(text: str) -> list[str]:
    normal = unicodedata.normalize("NFKC", text).casefold()
    runs = ("".join(run) for in_word, run in groupby(normal, _is_of_word) if in_word)
    return [word for run in runs for word in _split(run)]


def _split(run: str) -> list[str]:
    """Return each character of an unspaced script as a word, with the marks on it, and other runs whole."""
    words: list[str] = []
    for character in run:
        spaced = not is_unspaced(character)
        if words and (is_mark(character) or (spaced and not is_unspaced(words[-1][0]))):
            words[-1] += character
        else:
            words.append(character)
    return words


def _is_of_word(character: str) -> bool:
    return character.isalnum() or is_mark(character)


def _shown(text: str) -> str:
    return f"“{text}”" if len(text) <= _SHOWN_CHARACTERS else f"“{text[:_SHOWN_CHARACTERS]}…”"
