"""From what `align` tells to words with times, with faster-whisper's corrections of what attention gets wrong.

https://github.com/openai/whisper/discussions/1855 says why they are needed: before a pause, the first or the last word
is often given the whole of it.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from whisper_server.engine.payloads import Alignment
from whisper_server.engine.segments import Cut
from whisper_server.engine.vocabulary import Vocabulary

#: One step of an alignment is 20 ms.
_STEPS_PER_SECOND = 50
#: Features have a frame each 10 ms.
FRAMES_PER_SECOND = 100

_SENTENCE_ENDS = ".。!！?？"  # noqa: RUF001 - Chinese marks
BEFORE_WORDS = "\"'“¿([{-"
AFTER_WORDS = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - Chinese marks
#: Words in one breath are seldom longer.
_MOST_MEDIAN_SECONDS = 0.7
#: A segment's own time is preferred where a word's is further out than this.
_TOLERATED_SECONDS = 0.5


@dataclass(slots=True)
class TimedWord:
    """A word whose times are being found; seconds.

    Attributes:
        text: with its leading space; empty once it is part of a neighbour.
        tokens: how many it has.
        start: where it begins.
        end: where it ends.
        probability: mean of its tokens'.
    """

    text: str
    tokens: int
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast is spoken: the median length of a word, and the longest that is believed; seconds."""

    median: float
    longest: float


@dataclass(slots=True)
class TimedSegment:
    """A segment whose times, in seconds of speech without pauses, are corrected by those of its words."""

    start: float
    end: float
    tokens: tuple[int, ...] = field(repr=False)
    words: list[TimedWord]


def timed_words(alignment: Alignment, vocabulary: Vocabulary, language: str) -> list[TimedWord]:
    """Return the words of an aligned window, seconds from its start."""
    texts, tokens = vocabulary.split_words(alignment.tokens, language)
    if not texts:
        return []
    borders = np.cumsum([0, *(len(each) for each in tokens)])
    places, steps = np.array(alignment.pairs).T
    # The path tells several steps for a token: it begins with the first of them.
    begins = steps[np.diff(places, prepend=-1) != 0] / _STEPS_PER_SECOND
    return [
        TimedWord(
            text,
            end - start,
            float(begins[start]),
            float(begins[end]),
            float(np.mean(alignment.probabilities[start:end])),
        )
        for text, start, end in zip(texts, borders[:-1], borders[1:], strict=True)
    ]


def find_pace(words: Sequence[TimedWord]) -> Pace:
    """Return how fast `words` are spoken."""
    lengths = [word.end - word.start for word in words if word.end != word.start]
    median = min(_MOST_MEDIAN_SECONDS, float(np.median(lengths))) if lengths else 0.0
    return Pace(median, 2 * median)


def shorten_at_sentences(words: Sequence[TimedWord], pace: Pace) -> None:
    """Take from words around the end of a sentence the pause that was given to them."""
    if not pace.longest:
        return
    for before, word in itertools.pairwise(words):
        if word.end - word.start > pace.longest:
            if word.text in _SENTENCE_ENDS:
                word.end = word.start + pace.longest
            elif before.text in _SENTENCE_ENDS:
                word.start = word.end - pace.longest


def join_punctuation(words: Sequence[TimedWord]) -> None:
    """Make marks a part of the word that they belong to; what is left of them has no text and no tokens."""
    following = len(words) - 1
    for place in range(len(words) - 2, -1, -1):
        mark = words[place]
        if mark.text.startswith(" ") and mark.text.strip() in BEFORE_WORDS:
            _join(words[following], mark, text=mark.text + words[following].text)
        else:
            following = place
    previous = 0
    for place in range(1, len(words)):
        mark = words[place]
        if not words[previous].text.endswith(" ") and mark.text in AFTER_WORDS:
            _join(words[previous], mark, text=words[previous].text + mark.text)
        else:
            previous = place


def _join(word: TimedWord, mark: TimedWord, *, text: str) -> None:
    word.text, word.tokens = text, word.tokens + mark.tokens
    mark.text, mark.tokens = "", 0


def time_segments(
    cuts: Sequence[Cut],
    alignment: Alignment,
    vocabulary: Vocabulary,
    language: str,
    *,
    offset: float,
    frame: int,
    last_speech: float,
) -> tuple[list[TimedSegment], float]:
    """Return the segments of a window with their words, in seconds of speech, and where the last one ends.

    Args:
        cuts: the window's segments, seconds from its start.
        alignment: of all of their text.
        vocabulary: the model's.
        language: that words are told apart by.
        offset: seconds of speech before the window.
        frame: the same in frames of features, as words' times are counted.
        last_speech: where the last word before the window ended.
    """
    words = timed_words(alignment, vocabulary, language)
    pace = find_pace(words)
    shorten_at_sentences(words, pace)
    join_punctuation(words)
    for word in words:
        word.start = round(frame / FRAMES_PER_SECOND + word.start, 2)
        word.end = round(frame / FRAMES_PER_SECOND + word.end, 2)
    segments = []
    rest = iter(words)
    for cut in cuts:
        taken = _take(rest, len(vocabulary.text_tokens(cut.tokens)))
        segment = TimedSegment(offset + cut.start, offset + cut.end, cut.tokens, taken)
        if taken:
            _shorten_after_pause(taken, pace, last_speech)
            _agree_on_start(segment, pace)
            _agree_on_end(segment, pace)
            last_speech = segment.end
        segments.append(segment)
    return segments, last_speech


def _take(words: Iterator[TimedWord], tokens: int) -> list[TimedWord]:
    taken = []
    while tokens > 0 and (word := next(words, None)) is not None:
        if word.text:
            taken.append(word)
        tokens -= word.tokens
    return taken


def _shorten_after_pause(words: Sequence[TimedWord], pace: Pace, last_speech: float) -> None:
    """Take from the first two words after a pause what of it was given to them."""
    first, second = words[0], words[1] if len(words) > 1 else None
    if first.end - last_speech <= 4 * pace.median:
        return
    both_long = second is not None and second.end - first.start > 2 * pace.longest
    if first.end - first.start <= pace.longest and not both_long:
        return
    if second is not None and second.end - second.start > pace.longest:
        first.end = second.start = max(second.end / 2, second.end - pace.longest)
    first.start = max(0.0, first.end - pace.longest)


def _agree_on_start(segment: TimedSegment, pace: Pace) -> None:
    first = segment.words[0]
    if first.start + _TOLERATED_SECONDS < segment.start < first.end:
        first.start = max(0.0, min(first.end - pace.median, segment.start))
    else:
        segment.start = first.start


def _agree_on_end(segment: TimedSegment, pace: Pace) -> None:
    last = segment.words[-1]
    if last.start < segment.end < last.end - _TOLERATED_SECONDS:
        last.end = max(last.start + pace.median, segment.end)
    else:
        segment.end = last.end
