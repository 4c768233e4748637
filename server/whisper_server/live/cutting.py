"""Where an utterance without a pause is cut, so that no word is lost at the joint and none is said twice.

Word times say about where; the sound says where exactly. What stands before the cut is then written down by itself, and
so is what stands behind: no text has to be taken apart, and a model whose word times are wrong loses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.engine.interface import Word
from whisper_server.live.agreement import last_agreed, split_words

#: So near to the end of what a transcript heard its last words may be half heard, whoever agrees.
_EDGE_SECONDS = 0.5
#: And are not relied on when nobody does.
_WIDE_EDGE_SECONDS = 1.5
#: Word times are about so exact.
_WORD_TIME_ERROR_SECONDS = 0.15
#: Without words the cut is looked for in so much before the end: shorter than anybody speaks without a breath.
_LAST_SECONDS = 6.0
#: How long the quiet between two words is at least, in samples ...
_QUIET = SAMPLE_RATE // 50
#: ... and how long where no words say that it is not within one: before a plosive it is quiet for less.
_LONG_QUIET = SAMPLE_RATE // 10
_HOP = SAMPLE_RATE // 100


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a stream.

    Attributes:
        samples: what it sounds like.
        start: where it begins in the stream, in samples.
    """

    samples: Samples
    start: int

    @property
    def end(self) -> int:
        """Return the sample behind the last one."""
        return self.start + len(self.samples)


@dataclass(frozen=True, slots=True)
class TimedTranscript:
    """What seems to be said, and when.

    Attributes:
        words: times in seconds from the stream's start.
        end: the sample of the stream behind what was heard.
    """

    words: tuple[Word, ...] = ()
    end: int = 0


@dataclass(frozen=True, slots=True)
class Cut:
    """An utterance in two.

    Attributes:
        at: the sample with which the rest begins, counted from the stream's start.
        rest: the words that seem to be said in it.
    """

    at: int
    rest: tuple[str, ...] = ()


def choose_cut(stretch: Stretch, transcript: TimedTranscript, earlier: Sequence[str]) -> Cut:
    """Cut behind the last word on which `transcript` agrees with an earlier one.

    Where they agree on nothing in the second half, it is cut before the words that may be half heard, and where there
    are no words, in the quietest moment of the last seconds.
    """
    words = transcript.words
    taken = min(_agreed(words, earlier), _whole(transcript, _EDGE_SECONDS))
    if not _is_late(words[:taken], stretch):
        taken = _whole(transcript, _WIDE_EDGE_SECONDS)
    if not _is_late(words[:taken], stretch):
        start = stretch.end - round(_LAST_SECONDS * SAMPLE_RATE)
        return Cut(_quietest(stretch, start, stretch.end, _LONG_QUIET))
    at = _between(stretch, words[taken - 1], words[taken] if taken < len(words) else None)
    return Cut(at, tuple(word.text for word in words[taken:]))


def _agreed(words: Sequence[Word], earlier: Sequence[str]) -> int:
    """Return how many words there are up to the last agreed one; in scripts without spaces a word is several."""
    parts = [(place, part) for place, word in enumerate(words) for part in split_words(word.text)]
    agreed = last_agreed([part for _, part in parts], earlier)
    return parts[agreed][0] if agreed < len(parts) else len(words)


def _whole(transcript: TimedTranscript, edge: float) -> int:
    """Return how many words end by `edge` seconds before what was heard does."""
    return sum(word.end <= transcript.end / SAMPLE_RATE - edge for word in transcript.words)


def _is_late(words: Sequence[Word], stretch: Stretch) -> bool:
    return bool(words) and words[-1].end * SAMPLE_RATE > (stretch.start + stretch.end) / 2


def _between(stretch: Stretch, last: Word, following: Word | None) -> int:
    """Return the quietest place about where `last` ends and `following` begins."""
    border = last.end if following is None else (last.end + following.start) / 2
    earliest = max(border - _WORD_TIME_ERROR_SECONDS, (last.start + last.end) / 2)
    latest = border + _WORD_TIME_ERROR_SECONDS
    if following is not None:
        latest = min(latest, (following.start + following.end) / 2)
    return _quietest(stretch, round(earliest * SAMPLE_RATE), round(latest * SAMPLE_RATE), _QUIET)


def _quietest(stretch: Stretch, start: int, end: int, length: int) -> int:
    """Return the middle of the quietest part of a length from `start` to before `end`."""
    first = min(max(start - stretch.start, 0), len(stretch.samples))
    samples = stretch.samples[first : max(first, end - stretch.start)]
    if len(samples) < length:
        return stretch.start + first + len(samples) // 2
    return stretch.start + first + int(np.argmin(_loudness(samples, length))) * _HOP + length // 2


def _loudness(samples: Samples, length: int) -> npt.NDArray[np.float32]:
    windows = np.lib.stride_tricks.sliding_window_view(samples, length)[::_HOP]
    return np.asarray(np.square(windows).sum(axis=1), np.float32)
