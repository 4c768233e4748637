"""Text that the model imagines where nobody speaks, told by its words' times, as faster-whisper tells it.

https://github.com/openai/whisper/pull/1838 says how these numbers were found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from whisper_server.engine.words import AFTER_WORDS, BEFORE_WORDS, TimedSegment, TimedWord

_PUNCTUATION = BEFORE_WORDS + AFTER_WORDS
#: Words at a segment's beginning that are looked at.
_WORDS = 8
_IMPROBABLE = 0.15
_SHORT_SECONDS = 0.133
_LONG_SECONDS = 2.0
#: So near to the window's edges anything may stand beside it.
_EDGE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Span:
    """A window in seconds of speech.

    Attributes:
        start: where it begins.
        end: where its sound ends.
        full_end: where a window of 30 s would end.
    """

    start: float
    end: float
    full_end: float


def leading_silence(segments: Sequence[TimedSegment], span: Span) -> float:
    """Return the seconds of silence before a window's first words, if those look imagined; else 0."""
    first = next((segment for segment in segments if segment.words), None)
    return first.start - span.start if first is not None and _is_anomalous(first) else 0.0


def first_imagined(segments: Sequence[TimedSegment], span: Span, last_speech: float, silence: float) -> int | None:
    """Return which segment looks imagined and has silence, or more of its kind, on both sides; None for none.

    Args:
        segments: of one window.
        span: the window.
        last_speech: where the last word before it ended.
        silence: seconds that count as silence.
    """
    for place, segment in enumerate(segments):
        if not segment.words:
            continue
        if _is_anomalous(segment):
            following = next((later for later in segments[place + 1 :] if later.words), None)
            next_start = span.end if following is None else following.words[0].start
            silent_before = (
                segment.start - last_speech > silence
                or segment.start < silence
                or segment.start - span.start < _EDGE_SECONDS
            )
            silent_after = (
                next_start - segment.end > silence
                or (following is not None and _is_anomalous(following))
                or span.full_end - segment.end < _EDGE_SECONDS
            )
            if silent_before and silent_after:
                return place
        last_speech = segment.end
    return None


def _is_anomalous(segment: TimedSegment) -> bool:
    words = [word for word in segment.words if word.text not in _PUNCTUATION][:_WORDS]
    score = sum(map(_anomaly, words))
    return score >= 3 or score + 0.01 >= len(words)  # noqa: PLR2004 - as found by trials, see above


def _anomaly(word: TimedWord) -> float:
    """Return how odd a word is: improbable, very short or very long."""
    length = word.end - word.start
    score = 1.0 if word.probability < _IMPROBABLE else 0.0
    if length < _SHORT_SECONDS:
        score += (_SHORT_SECONDS - length) * 15
    if length > _LONG_SECONDS:
        score += length - _LONG_SECONDS
    return score
