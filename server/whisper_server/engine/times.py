"""From times in speech without its pauses to times of the recording."""

import bisect
from collections.abc import Sequence

from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.audio.windows import Piece

#: As faster-whisper rounds: to 10 ms, half of what the model can tell.
_DECIMALS = 2


class SpeechMap:
    """Where in a recording the pieces of concatenated speech were."""

    def __init__(self, pieces: Sequence[Piece], offset: int = 0) -> None:
        """Take in pieces, in order of time.

        Args:
            pieces: at least one.
            offset: samples of speech before the first one; times are counted with it.
        """
        self._ends = [offset + piece.at + piece.length for piece in pieces]
        self._shifts = [(piece.start - piece.at - offset) / SAMPLE_RATE for piece in pieces]

    def start(self, seconds: float) -> float:
        """Return the recording's time of a beginning; on the border of two pieces it is the later one's."""
        return self._time(seconds, self._piece(seconds))

    def end(self, seconds: float) -> float:
        """Return the recording's time of an end; on the border of two pieces it is the earlier one's."""
        sample = int(seconds * SAMPLE_RATE)
        at = bisect.bisect_left(self._ends, sample)
        piece = at if at < len(self._ends) and self._ends[at] == sample else self._piece(seconds)
        return self._time(seconds, piece)

    def word(self, start: float, end: float) -> tuple[float, float]:
        """Return the recording's times of a word, both within the piece of its middle."""
        piece = self._piece((start + end) / 2)
        return self._time(start, piece), self._time(end, piece)

    def _piece(self, seconds: float) -> int:
        return min(bisect.bisect(self._ends, int(seconds * SAMPLE_RATE)), len(self._ends) - 1)

    def _time(self, seconds: float, piece: int) -> float:
        return round(self._shifts[piece] + seconds, _DECIMALS)
