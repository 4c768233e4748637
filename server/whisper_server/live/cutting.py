"""Where an utterance without a pause is cut, so that no word is lost at the joint and none is said twice."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.engine.interface import Segment, Word
from whisper_server.live.agreement import last_agreed

#: So near to its end a window's last words may be half heard, whoever agrees.
_EDGE_SECONDS = 0.5
#: And are not relied on when nobody does.
_WIDE_EDGE_SECONDS = 1.5
#: Word times are about so exact.
_WORD_TIME_ERROR = 0.15
#: How long the quiet between two words is at least, and by how much it is looked for, in samples.
_QUIET = SAMPLE_RATE // 50
_HOP = SAMPLE_RATE // 100


@dataclass(frozen=True, slots=True)
class Speech:
    """A window that was written down with word times.

    Attributes:
        samples: what was heard.
        start: where that begins in the stream, in samples.
        segments: what was said; times from the stream's start.
    """

    samples: Samples
    start: int
    segments: tuple[Segment, ...]

    @property
    def words(self) -> tuple[Word, ...]:
        """Return the words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def end(self) -> int:
        """Return the sample behind the last one."""
        return self.start + len(self.samples)


@dataclass(frozen=True, slots=True)
class Cut:
    """A window in two.

    Attributes:
        segments: what is said before.
        at: the sample with which the rest begins, counted from the stream's start.
        rest: the words that were heard in it.
    """

    segments: tuple[Segment, ...]
    at: int
    rest: tuple[str, ...] = ()


def cut_at_agreement(speech: Speech, other: Sequence[str]) -> Cut:
    """Cut behind the last word that `other`, the words of another transcript, agrees on.

    Where they agree on nothing in the window's second half, it is cut before the words that may be half heard.
    """
    words = speech.words
    agreed = last_agreed([word.text for word in words], other)
    taken = min(agreed, _whole(words, speech, _EDGE_SECONDS))
    if not _is_late(words[:taken], speech):
        taken = _whole(words, speech, _WIDE_EDGE_SECONDS)
    if not _is_late(words[:taken], speech):
        return Cut(speech.segments, speech.end)
    at = _between(speech, words[taken - 1], words[taken] if taken < len(words) else None)
    # Words may have the same times, where the model found none: those are on the same side.
    taken = max(taken, sum((word.start + word.end) / 2 * SAMPLE_RATE <= at for word in words))
    return Cut(_first_words(speech.segments, taken), at, tuple(word.text for word in words[taken:]))


def without_words(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return `segments` for somebody who asked for no word times."""
    return tuple(dataclasses.replace(segment, words=()) for segment in segments)


def _whole(words: Sequence[Word], speech: Speech, edge: float) -> int:
    """Return how many words end by `edge` seconds before the window does."""
    return sum(word.end <= speech.end / SAMPLE_RATE - edge for word in words)


def _is_late(words: Sequence[Word], speech: Speech) -> bool:
    return bool(words) and words[-1].end * SAMPLE_RATE > (speech.start + speech.end) / 2


def _between(speech: Speech, last: Word, following: Word | None) -> int:
    """Return the quietest place about where `last` ends and `following` begins."""
    border = last.end if following is None else (last.end + following.start) / 2
    earliest = max(border - _WORD_TIME_ERROR, (last.start + last.end) / 2)
    latest = border + _WORD_TIME_ERROR
    if following is not None:
        latest = min(latest, (following.start + following.end) / 2)
    first, behind = (round(seconds * SAMPLE_RATE) - speech.start for seconds in (earliest, latest))
    first = min(max(first, 0), len(speech.samples))
    return speech.start + first + _quietest(speech.samples[first : max(first, behind)])


def _quietest(samples: Samples) -> int:
    """Return the middle of the quietest 20 ms."""
    if len(samples) < _QUIET:
        return len(samples) // 2
    starts = range(0, len(samples) - _QUIET + 1, _HOP)
    loudness = [float(np.square(samples[start : start + _QUIET]).sum()) for start in starts]
    return starts[int(np.argmin(loudness))] + _QUIET // 2


def _first_words(segments: Sequence[Segment], count: int) -> tuple[Segment, ...]:
    kept = []
    for segment in segments:
        words = segment.words[:count]
        count -= len(words)
        if words:
            kept.append(segment if len(words) == len(segment.words) else _shortened(segment, words))
    return tuple(kept)


def _shortened(segment: Segment, words: tuple[Word, ...]) -> Segment:
    text = "".join(word.text for word in words)
    tokens = max(1, round(segment.tokens * len(words) / len(segment.words)))
    # Other hypotheses have no times by which they could be cut.
    return dataclasses.replace(segment, text=text, end=words[-1].end, words=words, tokens=tokens, alternatives=())
