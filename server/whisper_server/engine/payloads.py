"""What the runner gets and gives: one window's work, and what came of it."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whisper_server.engine.options import Task
from whisper_server.engine.quality import Quality, Thresholds

#: A log-mel spectrogram, mel bands by frames of 10 ms.
Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BatchKey:
    """Everything that holds for a whole batch of CTranslate2's `generate`: rows share one exactly when this is equal.

    https://opennmt.net/CTranslate2/python/ctranslate2.models.Whisper.html

    Attributes:
        temperature: 0 for beam search, above it samples are drawn.
        beam_size: hypotheses kept; 1 above temperature 0.
        hypotheses: how many come back.
        patience: factor of the beam search.
        length_penalty: exponent by which scores are divided.
        repetition_penalty: above 1 discourages repetition.
        no_repeat_ngram_size: runs of so many tokens are not repeated.
        max_length: of prompt and text together, in tokens.
        suppress_blank: whether a window may not begin with a blank.
        suppress_tokens: never written.
        max_initial_timestamp_index: the latest first time, in steps.
        timestamps: whether times are written.
        start: where in the prompt the start-of-transcript token stands.
        prompt_length: tokens of the prompt.
    """

    temperature: float
    beam_size: int
    hypotheses: int
    patience: float
    length_penalty: float
    repetition_penalty: float
    no_repeat_ngram_size: int
    max_length: int
    suppress_blank: bool
    suppress_tokens: tuple[int, ...]
    max_initial_timestamp_index: int
    timestamps: bool
    start: int
    prompt_length: int

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `generate`."""
        return {
            "beam_size": self.beam_size,
            "num_hypotheses": self.hypotheses,
            "patience": self.patience,
            "length_penalty": self.length_penalty,
            "repetition_penalty": self.repetition_penalty,
            "no_repeat_ngram_size": self.no_repeat_ngram_size,
            "max_length": self.max_length,
            "suppress_blank": self.suppress_blank,
            "suppress_tokens": list(self.suppress_tokens),
            "max_initial_timestamp_index": self.max_initial_timestamp_index,
            # The default, 1, takes the likeliest whatever the temperature is.
            "sampling_topk": 0 if self.temperature > 0 else 1,
            "sampling_temperature": self.temperature or 1.0,
        }


@dataclass(frozen=True, slots=True)
class Write:
    """Write down what is said in a window.

    Attributes:
        features: padded to the 30 s that the model takes in.
        frames: how many of them are sound, for the times of words.
        key: what it shares with its batch.
        prompt: before the text; where the language is to be detected, its token stands for another.
        language: Whisper's code; None to detect it.
        task: whether to translate.
        word_times: whether to align the words, if the text passes.
        keep_tail: whether text after the last pair of times counts.
        thresholds: what a text must pass; None for no judgement.
    """

    features: Features = field(repr=False)
    frames: int
    key: BatchKey
    prompt: tuple[int, ...] = field(repr=False)
    language: str | None
    task: Task
    word_times: bool
    keep_tail: bool
    thresholds: Thresholds | None


@dataclass(frozen=True, slots=True)
class Align:
    """Find the times of text that was written before, when no attempt passed and an earlier one was the best."""

    features: Features = field(repr=False)
    frames: int
    language: str
    task: Task
    tokens: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Detect:
    """Tell the language of a window."""

    features: Features = field(repr=False)


Payload = Write | Align | Detect


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text that the model finds likely, and the mean of its tokens' log probabilities, its end included."""

    tokens: tuple[int, ...] = field(repr=False)
    mean_log_probability: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """Which text token is spoken in which 20 ms, as CTranslate2's `align` tells it.

    Attributes:
        tokens: the text tokens that were aligned.
        pairs: a path of (token's place, step of 20 ms).
        probabilities: of each token.
    """

    tokens: tuple[int, ...] = field(repr=False)
    pairs: tuple[tuple[int, int], ...] = field(repr=False)
    probabilities: tuple[float, ...] = field(repr=False)


#: Languages with their probabilities, likeliest first.
Languages = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a window.

    Attributes:
        language: the one asked for, or the likeliest.
        languages: all of them when it was to be detected, else none.
        hypotheses: best first.
        quality: of the best.
        alignment: when asked for, and the text passed.
    """

    language: str
    languages: Languages
    hypotheses: tuple[Hypothesis, ...]
    quality: Quality
    alignment: Alignment | None


Result = Written | Alignment | Languages

#: Rows that are only aligned, or only have their language told, go with one another.
ALIGN: Hashable = "align"
DETECT: Hashable = "detect"


def key_of(payload: Payload) -> Hashable:
    """Return what rows must have equal to share a batch."""
    match payload:
        case Write():
            return payload.key
        case Align():
            return ALIGN
        case Detect():
            return DETECT
