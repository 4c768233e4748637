"""Whether a window's text is to be believed; https://arxiv.org/abs/2212.04356, section 4.5."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from whisper_server.engine.options import DecodingOptions


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a text must pass; None lets everything pass. Names and meaning as in `DecodingOptions`."""

    compression_ratio: float | None
    log_prob: float | None
    no_speech: float | None

    @classmethod
    def of(cls, decoding: DecodingOptions) -> "Thresholds":
        """Return those that a request asks for."""
        return cls(decoding.compression_ratio_threshold, decoding.log_prob_threshold, decoding.no_speech_threshold)


@dataclass(frozen=True, slots=True)
class Quality:
    """What is judged of a text.

    Attributes:
        compression_ratio: of the text, without the spaces around it.
        mean_log_probability: of its tokens.
        no_speech_probability: that nothing is said in the window.
    """

    compression_ratio: float
    mean_log_probability: float
    no_speech_probability: float


def compression_ratio(text: str) -> float:
    """Return how many times smaller zlib makes `text`; above about 2.4 it repeats itself."""
    content = text.encode()
    return len(content) / len(zlib.compress(content))


def passes(quality: Quality, thresholds: Thresholds) -> bool:
    """Return whether a text needs no further attempt: it is good, or there is nothing to hear."""
    improbable = thresholds.log_prob is not None and quality.mean_log_probability < thresholds.log_prob
    nothing = thresholds.no_speech is not None and quality.no_speech_probability > thresholds.no_speech
    return (improbable and nothing) or not (improbable or _repeats(quality, thresholds))


def is_silence(quality: Quality, thresholds: Thresholds) -> bool:
    """Return whether a text is nothing but what the model imagines where nobody speaks."""
    if thresholds.no_speech is None or quality.no_speech_probability <= thresholds.no_speech:
        return False
    return thresholds.log_prob is None or quality.mean_log_probability <= thresholds.log_prob


def best(attempts: Sequence[Quality], thresholds: Thresholds) -> int:
    """Return which of several attempts to take when none passed: the likeliest that does not repeat itself."""
    places = [place for place, quality in enumerate(attempts) if not _repeats(quality, thresholds)]
    return max(places or range(len(attempts)), key=lambda place: attempts[place].mean_log_probability)


def _repeats(quality: Quality, thresholds: Thresholds) -> bool:
    limit = thresholds.compression_ratio
    return limit is not None and quality.compression_ratio > limit
