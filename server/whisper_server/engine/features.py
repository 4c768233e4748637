"""From samples to what the model takes in: log-mel spectrograms."""

import bisect
import math

import numpy as np
from faster_whisper.audio import pad_or_trim
from faster_whisper.feature_extractor import FeatureExtractor

from whisper_server.audio.samples import Samples
from whisper_server.engine.payloads import Features
from whisper_server.engine.words import FRAMES_PER_SECOND

#: Of the window that a model takes in.
WINDOW_FRAMES = 3000
#: Power below which nothing is told apart.
_QUIETEST = 1e-10
#: What is further below the loudest, in powers of ten, is silence.
_DYNAMIC_RANGE = 8.0


def window_features(extractor: FeatureExtractor, samples: Samples) -> Features:
    """Return the features of at most 30 s, padded to 30 s."""
    return np.ascontiguousarray(pad_or_trim(extractor(samples)[..., :-1]), np.float32)


def sounding_frames(seconds: float) -> int:
    """Return how many frames of a window are taken for sound when words are aligned: whole seconds of them."""
    return math.ceil(seconds) * FRAMES_PER_SECOND


class LongFeatures:
    """The features of a recording of any length, computed as its samples come.

    They are those of faster-whisper's extractor for the whole recording, which would hold all of its spectrum at once.
    The loudest frame of all counts for each, so the last step is left for when a window is asked for.
    """

    def __init__(self, extractor: FeatureExtractor) -> None:
        self._extractor = extractor
        self._half = extractor.n_fft // 2  # a frame reaches so far to both sides
        self._window = np.hanning(extractor.n_fft + 1)[:-1].astype(np.float32)
        self._waiting = np.zeros(0, np.float32)  # what frames to come still need
        self._parts: list[Features] = []
        self._starts: list[int] = []
        self._columns = 0
        self._loudest = -np.inf
        self._samples = 0

    @property
    def frames(self) -> int:
        """Return how many frames the samples so far are."""
        return int(self._samples // self._extractor.hop_length)

    def push(self, samples: Samples) -> None:
        """Take in the next samples."""
        mirrored = self._samples > self._half
        self._samples += len(samples)
        waiting = np.concatenate([self._waiting, samples])
        if not mirrored and self._samples > self._half:
            waiting = np.concatenate([waiting[self._half : 0 : -1], waiting])
        self._waiting = waiting if self._samples <= self._half else self._transform(waiting)

    def finish(self) -> None:
        """Take in the end, padded as the extractor does."""
        before = 0 if self._samples > self._half else self._half
        end = np.pad(self._waiting, (0, self._extractor.hop_length))
        self._transform(np.pad(end, (before, self._half), mode="reflect"))

    def window(self, start: int, size: int) -> Features:
        """Return the features of `size` frames, padded to 30 s; only after the end."""
        first = bisect.bisect(self._starts, start) - 1
        taken, place = [], start
        while place < start + size:
            part = self._parts[first][:, place - self._starts[first] :][:, : start + size - place]
            taken.append(part)
            place, first = place + part.shape[1], first + 1
        spectrogram = np.maximum(np.concatenate(taken, axis=1), self._loudest - _DYNAMIC_RANGE)
        return np.ascontiguousarray(pad_or_trim((spectrogram + 4.0) / 4.0), np.float32)

    def _transform(self, samples: Samples) -> Samples:
        """Add the frames that `samples` are enough for, and return what the next ones need."""
        extractor = self._extractor
        hop = extractor.hop_length
        new = min(1 + (len(samples) - extractor.n_fft) // hop, self.frames + 1 - self._columns)
        if len(samples) < extractor.n_fft or new <= 0:
            return samples
        used = samples[: (new - 1) * hop + extractor.n_fft]
        spectrum = extractor.stft(used, extractor.n_fft, hop, window=self._window, center=False, return_complex=True)
        power = np.abs(spectrum.astype(np.complex64)) ** 2
        part = np.log10(np.maximum(extractor.mel_filters @ power, _QUIETEST))
        self._loudest = max(self._loudest, part.max())
        self._parts.append(part)
        self._starts.append(self._columns)
        self._columns += new
        return samples[new * hop :]
