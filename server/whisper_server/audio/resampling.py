"""From frames as FFmpeg decodes them to samples as Whisper takes them."""

from collections.abc import Iterator

import av
import numpy as np
import numpy.typing as npt

from whisper_server.audio.pcm import check_rate
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.errors import InvalidRequestError

_FLOATS = ("flt", "fltp", "dbl", "dblp")


class Resampler:
    """Resamples and mixes the frames of one recording.

    Attributes:
        seconds: that it has taken.
    """

    def __init__(self, max_seconds: float, *, check_numbers: bool) -> None:
        """Make one.

        Args:
            max_seconds: how long a recording may be.
            check_numbers: whether samples may be no numbers, because they are as the client wrote them.
        """
        self.seconds = 0.0
        self._max_seconds = max_seconds
        self._check_numbers = check_numbers
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)

    def push(self, frame: av.AudioFrame) -> list[npt.NDArray[np.int16]]:
        """Take the next frame; return the samples that come of it.

        Raises:
            InvalidRequestError: when the recording is too long, changes midway, or holds what is no number.
        """
        check_rate(frame.sample_rate)
        self.seconds += frame.samples / frame.sample_rate
        if self.seconds > self._max_seconds:
            raise InvalidRequestError(f"the audio is longer than the {self._max_seconds:g} s that a request may hold")
        if self._check_numbers and frame.format.name in _FLOATS and not np.isfinite(frame.to_ndarray()).all():
            raise InvalidRequestError("the audio holds samples that are not a number or infinite")
        frame.pts = None  # Gaps in a stream's clock are not to be filled.
        try:
            return list(_arrays(self._resampler.resample(frame)))
        except ValueError as error:
            raise InvalidRequestError("the audio changes its rate or channels midway") from error

    def finish(self) -> list[npt.NDArray[np.int16]]:
        """Return the last samples."""
        return list(_arrays(self._resampler.resample(None))) if self.seconds else []


def _arrays(frames: list[av.AudioFrame]) -> Iterator[npt.NDArray[np.int16]]:
    for frame in frames:
        yield frame.to_ndarray()[0]


def block(pieces: list[npt.NDArray[np.int16]]) -> Samples:
    """Return `pieces` as one block."""
    samples = np.concatenate(pieces, dtype=np.float32)
    samples *= np.float32(1 / 32_768)
    return samples
