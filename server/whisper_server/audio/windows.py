"""What the model hears at a time, and where that was in the recording."""

from collections.abc import AsyncIterable
from dataclasses import dataclass, field

import numpy as np

from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.errors import InvalidRequestError

#: What a Whisper model takes in.
MAX_WINDOW_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a recording that stands in a window, all three in samples.

    Attributes:
        at: where in the window it begins.
        start: where in the recording.
        length: of both.
    """

    at: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Window:
    """Speech of at most 30 s, without the pauses that voice activity detection found.

    Attributes:
        samples: mono, 16 kHz, the pieces one after the other.
        pieces: in order of time; at least one.
    """

    samples: Samples = field(repr=False)
    pieces: tuple[Piece, ...]

    @property
    def seconds(self) -> float:
        """Return the length of the speech."""
        return len(self.samples) / SAMPLE_RATE

    def recording_time(self, seconds: float) -> float:
        """Return the time in the recording of `seconds` in the window.

        A time on the border of two pieces is of the later one; one behind the end is counted on from the last.
        """
        sample = seconds * SAMPLE_RATE
        piece = next((piece for piece in reversed(self.pieces) if piece.at <= sample), self.pieces[0])
        return seconds + (piece.start - piece.at) / SAMPLE_RATE


async def first_window(blocks: AsyncIterable[Samples]) -> Window:
    """Return the first 30 s of a recording, or all of a shorter one.

    Raises:
        InvalidRequestError: when it is empty.
    """
    most = round(MAX_WINDOW_SECONDS * SAMPLE_RATE)
    taken: list[Samples] = []
    length = 0
    async for block in blocks:
        taken.append(block[: most - length])
        length += len(taken[-1])
        if length == most:
            break
    if not length:
        raise InvalidRequestError("the audio is empty: not one sample of it can be heard")
    return Window(np.concatenate(taken, dtype=np.float32), (Piece(0, 0, length),))
