"""From frames as FFmpeg decodes them to samples as Whisper takes them."""

import av
import numpy as np

from whisper_server.audio.pcm import check_rate
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.errors import InvalidRequestError

_FLOATS = ("flt", "fltp", "dbl", "dblp")


class Resampler:
    """Resamples and mixes the frames of one recording.

    They are gathered until somebody takes them: each run costs about as much as decoding a frame of MP3 does.

    Attributes:
        seconds: that have come.
        gathered_seconds: of them that nobody has taken.
    """

    def __init__(self, max_seconds: float, *, check_numbers: bool) -> None:
        """Make one.

        Args:
            max_seconds: how long a recording may be.
            check_numbers: whether samples may be no numbers, because they are as the client wrote them.
        """
        self.seconds = self.gathered_seconds = 0.0
        self._max_seconds = max_seconds
        self._check_numbers = check_numbers
        self._gathered = av.AudioFifo()
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)

    def push(self, frame: av.AudioFrame) -> None:
        """Take the next frame.

        Raises:
            InvalidRequestError: when the recording is too long, or changes midway.
        """
        check_rate(frame.sample_rate)
        seconds = frame.samples / frame.sample_rate
        self.seconds += seconds
        self.gathered_seconds += seconds
        if self.seconds > self._max_seconds:
            raise InvalidRequestError(
                f"the audio is longer than the {self._max_seconds:g} s that a request may hold: send it in parts, "
                "or to a server with a higher --max-audio-seconds"
            )
        frame.pts = None  # Gaps in a stream's clock are not to be filled.
        try:
            self._gathered.write(frame)
        except ValueError as error:
            raise InvalidRequestError("the audio changes its rate or channels midway") from error

    def take(self) -> Samples:
        """Return the samples that came of what is gathered; a few at its end may come with the next.

        Raises:
            InvalidRequestError: when it holds what is no number.
        """
        self.gathered_seconds = 0.0
        gathered = self._gathered.read()
        if gathered is None:
            return np.zeros(0, np.float32)
        if self._check_numbers and gathered.format.name in _FLOATS and not np.isfinite(gathered.to_ndarray()).all():
            raise InvalidRequestError("the audio holds samples that are not a number or infinite")
        return self._resampled(gathered)

    def finish(self) -> Samples:
        """Return the last samples, once all that is gathered has been taken."""
        return self._resampled(None) if self.seconds else np.zeros(0, np.float32)

    def _resampled(self, frame: av.AudioFrame | None) -> Samples:
        pieces = [resampled.to_ndarray()[0] for resampled in self._resampler.resample(frame)]
        samples = np.concatenate([np.zeros(0, np.int16), *pieces], dtype=np.float32)
        samples *= np.float32(1 / 32_768)
        return samples
