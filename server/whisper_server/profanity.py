"""Masking of words that an operator lists: all but a word's first letter becomes asterisks, as Riva does it.

See `profanity_filter` in https://github.com/nvidia-riva/common/blob/main/riva/proto/riva_asr.proto. A masked text is as
long as it was, so that a segment's words can be masked as parts of what they make up.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from whisper_server.engine.interface import Segment, Transcription, Word
from whisper_server.live.interface import Final, LiveUpdate
from whisper_server.security.mounted import MountedFileError, read_file

#: A word of a text: where it begins and ends, and how it compares.
_Found = tuple[int, int, str]


class ProfanityFilter:
    """Masks words and phrases, whatever their case, and what stands between the words of a phrase."""

    def __init__(self, phrases: Iterable[str]) -> None:
        self._by_first: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for phrase in phrases:
            words = tuple(word for _, _, word in _words(phrase))
            if words:
                self._by_first[words[0]].append(words)

    @classmethod
    def read(cls, file: Path) -> "ProfanityFilter":
        """Return the filter for a file that lists a word or phrase a line.

        Raises:
            MountedFileError: when it cannot be read, is not UTF-8, or lists nothing.
        """
        try:
            lines = read_file(file).decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise MountedFileError(f"{file} is not UTF-8: it is to list a word or phrase a line") from error
        if not any(_words(line) for line in lines):
            raise MountedFileError(f"{file} lists no word: it is to list a word or phrase a line")
        return cls(lines)

    def masked(self, transcription: Transcription) -> Transcription:
        """Return `transcription` with the listed words masked wherever they stand in it."""
        return replace(transcription, segments=self._masked_segments(transcription.segments))

    def masked_update(self, update: LiveUpdate) -> LiveUpdate:
        """Return what is told of a live stream likewise."""
        if isinstance(update, Final):
            return replace(update, segments=self._masked_segments(update.segments))
        return replace(update, text=self.masked_text(update.text))

    def masked_text(self, text: str) -> str:
        """Return `text`, as long as it is, with the listed words masked."""
        letters = list(text)
        words = _words(text)
        at = 0
        while at < len(words):
            length = self._matched(words, at)
            for start, end, _ in words[at : at + length]:
                letters[start + 1 : end] = "*" * (end - start - 1)
            at += length or 1
        return "".join(letters)

    def _masked_segments(self, segments: Iterable[Segment]) -> tuple[Segment, ...]:
        return tuple(
            replace(
                segment,
                text=self.masked_text(segment.text),
                words=tuple(self._masked_words(segment.words)),
                alternatives=tuple(replace(other, text=self.masked_text(other.text)) for other in segment.alternatives),
            )
            for segment in segments
        )

    def _matched(self, words: list[_Found], at: int) -> int:
        """Return how many words the longest listed phrase has that begins `at`; 0 when there is none."""
        phrases = self._by_first.get(words[at][2], ())
        heard = [word for _, _, word in words[at : at + max(map(len, phrases), default=0)]]
        return max((len(phrase) for phrase in phrases if tuple(heard[: len(phrase)]) == phrase), default=0)

    def _masked_words(self, words: tuple[Word, ...]) -> Iterator[Word]:
        text = self.masked_text("".join(word.text for word in words))
        at = 0
        for word in words:
            yield replace(word, text=text[at : at + len(word.text)])
            at += len(word.text)


def _words(text: str) -> list[_Found]:
    found, at = [], 0
    for is_word, group in groupby(text, _is_of_word):
        piece = "".join(group)
        if is_word:
            found.append((at, at + len(piece), unicodedata.normalize("NFC", piece).casefold()))
        at += len(piece)
    return found


def _is_of_word(character: str) -> bool:
    """Letters, digits, and the marks that many scripts write vowels with."""
    return character.isalnum() or unicodedata.category(character).startswith("M")
