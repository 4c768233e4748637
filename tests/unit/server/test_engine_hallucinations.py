"""Text that the model imagines between silences is told by its words."""

import pytest

from whisper_server.engine.hallucinations import Span, first_imagined, leading_silence
from whisper_server.engine.words import TimedSegment, TimedWord

SPAN = Span(100, 130, 130)


def segment(start: float, *, probability: float = 0.9, seconds: float = 0.4, words: int = 4) -> TimedSegment:
    """Return a segment of words, one after the other."""
    starts = [start + place * seconds for place in range(words)]
    timed = [TimedWord(" word", 1, at, at + seconds, probability) for at in starts]
    return TimedSegment(start, start + words * seconds, (), timed)


def imagined(start: float) -> TimedSegment:
    return segment(start, probability=0.05)


def test_improbable_words_between_silences_are_imagined() -> None:
    segments = [segment(101), imagined(110), segment(120)]
    assert first_imagined(segments, SPAN, 99, silence=2) == 1
    assert first_imagined(segments, SPAN, 99, silence=20) is None


@pytest.mark.parametrize(
    "odd", [segment(110, seconds=0.01), segment(110, seconds=3.5, words=2), imagined(110)], ids=["short", "long", "odd"]
)
def test_words_are_odd_when_they_are_short_long_or_improbable(odd: TimedSegment) -> None:
    assert first_imagined([segment(101), odd, segment(122)], SPAN, 99, silence=2) == 1


def test_words_without_silence_around_them_are_kept_however_odd() -> None:
    assert first_imagined([segment(108), imagined(109.7), segment(111.4)], SPAN, 99, silence=2) is None


def test_odd_words_beside_more_of_their_kind_are_imagined() -> None:
    assert first_imagined([segment(101), imagined(110), imagined(111.7)], SPAN, 99, silence=2) == 1


def test_probable_words_are_kept_between_silences() -> None:
    assert first_imagined([segment(101), segment(110), segment(120)], SPAN, 99, silence=2) is None
    assert first_imagined([TimedSegment(100, 130, (), [])], SPAN, 99, silence=2) is None


def test_silence_before_a_window_s_first_words_counts_only_if_those_are_odd() -> None:
    assert leading_silence([imagined(110)], SPAN) == 10
    assert leading_silence([segment(110)], SPAN) == 0
    assert leading_silence([], SPAN) == 0
