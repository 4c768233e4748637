"""How likely somebody speaks, for each 32 ms of a recording, as it comes.

The network is Silero's (https://github.com/snakers4/silero-vad), the one that faster-whisper brings, and the numbers
are those that faster-whisper gets from the whole recording at once: what the network remembers is carried from one step
to the next.
"""

import os
from typing import Any

import numpy as np
import numpy.typing as npt
from faster_whisper.vad import get_vad_model

from whisper_server.audio.samples import Samples

#: How many samples the network hears at a time.
STEP = 512

#: One number from 0 to 1 for each step.
Probabilities = npt.NDArray[np.float32]

#: How many samples before its step it hears again.
_CONTEXT = 64
#: In one run: 16 s. More would be no faster, and take memory.
_MOST_STEPS = 500
_MEMORY_SHAPE = (1, 1, 128)


class SpeechProbabilities:
    """The probabilities of one recording; blocking, for a thread, one call at a time."""

    def __init__(self) -> None:
        self._session = _shared_session()
        self._memory = (np.zeros(_MEMORY_SHAPE, np.float32), np.zeros(_MEMORY_SHAPE, np.float32))
        self._context = np.zeros(_CONTEXT, np.float32)
        self._begun = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> Probabilities:
        """Take the next samples, any number; return the probabilities of the steps that are complete."""
        samples = np.concatenate([self._begun, samples], dtype=np.float32)
        whole = len(samples) // STEP * STEP
        self._begun = samples[whole:].copy()
        return self._probabilities(samples[:whole].reshape(-1, STEP))

    def finish(self) -> Probabilities:
        """Return the probability of the last step, filled up with silence; there is always one, if only of silence."""
        last = np.zeros((1, STEP), np.float32)
        last[0, : len(self._begun)] = self._begun
        last[0, -_CONTEXT:] = 0  # As faster-whisper does, whose context of the first step is that of the last.
        return self._probabilities(last)

    def _probabilities(self, steps: npt.NDArray[np.float32]) -> Probabilities:
        found = [self._run(steps[first : first + _MOST_STEPS]) for first in range(0, len(steps), _MOST_STEPS)]
        return np.concatenate(found) if found else np.zeros(0, np.float32)

    def _run(self, steps: npt.NDArray[np.float32]) -> Probabilities:
        contexts = np.concatenate([self._context[None], steps[:-1, -_CONTEXT:]])
        self._context = steps[-1, -_CONTEXT:].copy()
        heard = {"input": np.concatenate([contexts, steps], axis=1), "h": self._memory[0], "c": self._memory[1]}
        found, *memory = self._session.run(None, heard)
        self._memory = (memory[0], memory[1])
        return np.asarray(found, dtype=np.float32)


def _shared_session() -> Any:
    """Return the network, loaded once: it may run in many threads at a time, and uses only the one that calls it."""
    # Otherwise onnxruntime writes an identity into the home directory and reports its use to its maker.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return get_vad_model().session
