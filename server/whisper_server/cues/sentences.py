"""From a segment to its sentences: what people read with a time beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from whisper_server.cues.atoms import printable
from whisper_server.cues.scripts import ends_sentence
from whisper_server.cues.spoken import SpokenSegment, SpokenWord


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is said in one go; seconds from the recording's start."""

    text: str
    start: float
    end: float


def sentences_of(segment: SpokenSegment) -> Iterator[Sentence]:
    """Yield the sentences of `segment`, in order; all of it as one when the times of its words are unknown."""
    words = list(segment.words)
    if "".join(word.text for word in words).strip() != segment.text.strip():
        yield Sentence(printable(segment.text).strip(), segment.start, segment.end)
        return
    first = 0
    for last, word in enumerate(words, 1):
        if last == len(words) or ends_sentence(word.text.strip()):
            yield _sentence(words[first:last])
            first = last


def _sentence(words: Sequence[SpokenWord]) -> Sentence:
    text = printable("".join(word.text for word in words)).strip()
    return Sentence(text, words[0].start, words[-1].end)
