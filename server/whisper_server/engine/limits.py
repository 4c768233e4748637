"""What values a request's options may have, checked once for every front end.

A value beyond these makes CTranslate2 fail, or write outside its memory (a token that the vocabulary lacks), or costs
far more than it can bring. Option names are those that callers use; voice activity's have `vad_` before them.
"""

from dataclasses import fields
from typing import Any

from whisper_server.audio.windows import MAX_WINDOW_SECONDS
from whisper_server.engine.options import Context, DecodingOptions, Instructions, VadOptions
from whisper_server.errors import InvalidRequestError

#: Of each text that the model is told beforehand. Whisper takes 223 tokens and would drop the rest without a word.
MAX_CONTEXT_CHARACTERS = 1_000
#: More rounds than the default's six have never helped, and each costs a run of the model.
MAX_TEMPERATURES = 10
MAX_SUPPRESSED_TOKENS = 1_000
#: Of a recording whose windows are heard one after the other.
MAX_SEQUENTIAL_SECONDS = 7_200.0
#: The last token of text in both of Whisper's vocabularies: of what follows, a text that cannot end would come.
_LAST_TEXT_TOKEN = 50_255

Range = tuple[float, float]

#: Smallest and largest value, both taken.
DECODING_RANGES: dict[str, Range] = {
    "beam_size": (1, 16),
    "best_of": (1, 16),
    "patience": (0.1, 4),
    "length_penalty": (-4, 4),
    "repetition_penalty": (0.1, 10),
    "no_repeat_ngram_size": (0, 224),
    "temperatures": (0, 1),
    "compression_ratio_threshold": (0, 100),
    "log_prob_threshold": (-100, 0),
    "no_speech_threshold": (0, 1),
    "suppress_tokens": (-1, _LAST_TEXT_TOKEN),
    "max_initial_timestamp": (0, MAX_WINDOW_SECONDS),
    "max_new_tokens": (1, 224),
    "alternatives": (1, 16),
    "prompt_reset_on_temperature": (0, 1),
    "hallucination_silence_threshold": (0, MAX_WINDOW_SECONDS),
}
VAD_RANGES: dict[str, Range] = {
    "threshold": (0.01, 1),
    "neg_threshold": (0, 1),
    "min_speech_duration_ms": (0, 10_000),
    "max_speech_duration_s": (1, MAX_WINDOW_SECONDS),
    "min_silence_duration_ms": (0, 30_000),
    "speech_pad_ms": (0, 5_000),
}

#: What cutting leaves of the longest speech once it is padded.
_SHORTEST_CORE_MS = 100


def check(instructions: Instructions) -> None:
    """Refuse what no model can do well.

    Raises:
        InvalidRequestError: when an option has a value that is not taken; the text names both.
    """
    _check_context(instructions.context)
    _check_decoding(instructions.decoding)
    if instructions.vad is not None:
        _check_vad(instructions.vad)


def check_range(name: str, value: float, taken: Range) -> None:
    """Raise InvalidRequestError unless `value` lies within `taken`; NaN never does."""
    low, high = taken
    if not low <= value <= high:
        raise InvalidRequestError(f"{name}: {value:g} is not from {low:g} to {high:g}")


def _check_context(context: Context) -> None:
    for field in fields(context):
        text = getattr(context, field.name)
        if text is not None and len(text) > MAX_CONTEXT_CHARACTERS:
            raise InvalidRequestError(
                f"{field.name}: {len(text)} characters; a model takes {MAX_CONTEXT_CHARACTERS} at most"
            )


def _check_decoding(decoding: DecodingOptions) -> None:
    _check_count("temperatures", decoding.temperatures, MAX_TEMPERATURES)
    _check_count("suppress_tokens", decoding.suppress_tokens, MAX_SUPPRESSED_TOKENS)
    if not decoding.temperatures:
        raise InvalidRequestError("temperatures: at least one is needed")
    _check_ranges("", decoding, DECODING_RANGES)
    # CTranslate2's own rule for the number of hypotheses.
    candidates = round(decoding.beam_size * decoding.patience)
    if candidates < 1:
        raise InvalidRequestError("patience: beam_size times patience must come to 1 or more")
    if decoding.alternatives > min(decoding.beam_size, candidates):
        raise InvalidRequestError(
            f"alternatives: {decoding.alternatives} are more than beam_size, or beam_size times patience, can bring"
        )


def _check_vad(vad: VadOptions) -> None:
    _check_ranges("vad_", vad, VAD_RANGES)
    if vad.neg_threshold is not None and vad.neg_threshold > vad.threshold:
        raise InvalidRequestError("vad_neg_threshold: it must not be above vad_threshold")
    if vad.max_speech_duration_s * 1000 < 2 * vad.speech_pad_ms + _SHORTEST_CORE_MS:
        raise InvalidRequestError("vad_speech_pad_ms: nothing is left of vad_max_speech_duration_s but its padding")


def _check_count(name: str, values: tuple[Any, ...], most: int) -> None:
    if len(values) > most:
        raise InvalidRequestError(f"{name}: {len(values)} values; {most} at most")


def _check_ranges(prefix: str, options: DecodingOptions | VadOptions, ranges: dict[str, Range]) -> None:
    for name, taken in ranges.items():
        value = getattr(options, name)
        for number in value if isinstance(value, tuple) else (value,):
            if number is not None:
                check_range(prefix + name, number, taken)
