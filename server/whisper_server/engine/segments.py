"""From the tokens of a window to stretches of speech with times."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from whisper_server.engine.vocabulary import TIME_PRECISION, Vocabulary


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of a window: seconds from the window's start, and its tokens, times included."""

    start: float
    end: float
    tokens: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Split:
    """A window's tokens, cut where the model wrote two times in a row.

    Attributes:
        cuts: in order.
        ends_in_silence: whether the model wrote a single time at the end: after it nothing is said.
        heard_until: seconds from the window's start up to where it was heard whole; None for all of it.
    """

    cuts: tuple[Cut, ...]
    ends_in_silence: bool
    heard_until: float | None


def split(tokens: Sequence[int], timestamp_begin: int, duration: float, *, keep_tail: bool) -> Split:
    """Cut a window's tokens into segments, as faster-whisper does.

    Args:
        tokens: what the model wrote.
        timestamp_begin: the first token that is a time.
        duration: of the window, in seconds.
        keep_tail: whether text after the last pair of times becomes a segment up to the window's end; who hears the
            window's rest again leaves it out.
    """
    is_time = [token >= timestamp_begin for token in tokens]
    ends_in_silence = is_time[-2:] == [False, True]
    borders = [place for place in range(1, len(tokens)) if is_time[place] and is_time[place - 1]]
    if not borders:
        return Split((_whole(tokens, timestamp_begin, duration),), ends_in_silence, None)
    if ends_in_silence:
        borders.append(len(tokens))
    parts = [tuple(tokens[start:end]) for start, end in zip([0, *borders], borders, strict=False)]
    cuts = [Cut(_seconds(part[0], timestamp_begin), _seconds(part[-1], timestamp_begin), part) for part in parts]
    tail = tuple(tokens[borders[-1] :])
    if keep_tail and any(token < timestamp_begin for token in tail):
        cuts.append(Cut(_seconds(tail[0], timestamp_begin), duration, tail))
    heard_until = None if ends_in_silence else _seconds(tokens[borders[-1] - 1], timestamp_begin)
    return Split(tuple(cuts), ends_in_silence, heard_until)


def kept_text(tokens: Sequence[int], vocabulary: Vocabulary, *, keep_tail: bool) -> tuple[int, ...]:
    """Return the text tokens of all segments that `split` makes."""
    cuts = split(tokens, vocabulary.timestamp_begin, 0.0, keep_tail=keep_tail).cuts
    return tuple(token for cut in cuts for token in vocabulary.text_tokens(cut.tokens))


def _whole(tokens: Sequence[int], timestamp_begin: int, duration: float) -> Cut:
    times = [token for token in tokens if token >= timestamp_begin]
    if times and times[-1] != timestamp_begin:
        duration = _seconds(times[-1], timestamp_begin)
    return Cut(0.0, duration, tuple(tokens))


def _seconds(token: int, timestamp_begin: int) -> float:
    # Where a prefix was given the first token is text.
    return max(0, token - timestamp_begin) * TIME_PRECISION
