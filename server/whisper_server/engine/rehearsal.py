"""The largest batch, run before the first request: what does not fit is known then, and memory is taken once."""

import logging

import numpy as np

from whisper_server.engine.devices import explain
from whisper_server.engine.features import WINDOW_FRAMES
from whisper_server.engine.interface import EngineError
from whisper_server.engine.loading import LoadedModel
from whisper_server.engine.options import DecodingOptions, Task
from whisper_server.engine.payloads import Write
from whisper_server.engine.prompts import Before, make_key, make_prompt
from whisper_server.engine.runner import WhisperRunner
from whisper_server.engine.schedule.errors import BatchTooLargeError, RunnerError

log = logging.getLogger(__name__)

#: On a CPU memory is seldom what limits a batch, and whole texts would take minutes with a large model.
_CPU_TOKENS = 4


def rehearse(model: LoadedModel, runner: WhisperRunner, most: int, *, word_times: bool) -> int:
    """Run a batch of `most` windows, on a GPU with texts of full length, and return the largest that fits.

    Raises:
        EngineError: when not even one window does, or the device does not work.
    """
    row = _longest(model, word_times=word_times)
    while True:
        try:
            runner.run([row] * most)
        except BatchTooLargeError as error:
            if most == 1:
                raise EngineError(f"the model cannot run on {model.whisper.device}: {explain(error)}") from error
            log.warning("a batch of %d windows does not fit the device's memory: half as many from now on", most)
            most //= 2
        except (RunnerError, RuntimeError) as error:
            raise EngineError(f"the model cannot run on {model.whisper.device}: {explain(error)}") from error
        else:
            return most


def _longest(model: LoadedModel, *, word_times: bool) -> Write:
    tokens = None if model.whisper.device == "cuda" else _CPU_TOKENS
    # A text that may not end is as long as a text can be.
    decoding = DecodingOptions(suppress_tokens=(model.vocabulary.end_of_text,), max_new_tokens=tokens)
    prompt = make_prompt(model.vocabulary, Before(), "en", Task.TRANSCRIBE, timestamps=False)
    return Write(
        features=np.zeros((model.whisper.n_mels, WINDOW_FRAMES), np.float32),
        frames=WINDOW_FRAMES,
        key=make_key(model.vocabulary, decoding, prompt, 0.0),
        prompt=prompt.tokens,
        language="en",
        task=Task.TRANSCRIBE,
        word_times=word_times,
        keep_tail=True,
        thresholds=None,
    )
