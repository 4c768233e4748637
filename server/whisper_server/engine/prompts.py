"""What the model is given before it writes, and what rows of one batch must have in common."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from whisper_server.engine.options import DecodingOptions, Task
from whisper_server.engine.payloads import BatchKey
from whisper_server.engine.vocabulary import TIME_PRECISION, Vocabulary

#: Tokens of prompt and text together that a Whisper model has places for.
MAX_LENGTH = 448
#: Of earlier text, of hotwords and of a prefix no more are used, each.
_MOST_CONTEXT = MAX_LENGTH // 2 - 1
#: Earlier text gives way where hotwords or a prefix would leave fewer places for what is said.
_LEAST_TEXT = 64


@dataclass(frozen=True, slots=True)
class Before:
    """What stands before a window's text.

    Attributes:
        previous: tokens of earlier text, or of the initial prompt.
        hotwords: phrases to expect; without effect where there is a prefix.
        prefix: with which the window's text begins.
    """

    previous: tuple[int, ...] = field(default=(), repr=False)
    hotwords: str | None = field(default=None, repr=False)
    prefix: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The tokens that the model is given.

    Attributes:
        tokens: all of them.
        start: where the start-of-transcript token stands; the language's follows it.
    """

    tokens: tuple[int, ...] = field(repr=False)
    start: int


def make_prompt(vocabulary: Vocabulary, before: Before, language: str, task: Task, *, timestamps: bool) -> Prompt:
    """Return the prompt of a window, as faster-whisper makes it.

    Raises:
        InvalidRequestError: when the model does not know the language, or can't translate.
    """
    start = vocabulary.start_sequence(language, task)
    if not timestamps:
        start.append(vocabulary.no_timestamps)
    if before.prefix:
        if timestamps:
            start.append(vocabulary.timestamp_begin)
        start += _phrase(vocabulary, before.prefix)
    hotwords = _phrase(vocabulary, before.hotwords) if before.hotwords and not before.prefix else []
    room = MAX_LENGTH - _LEAST_TEXT - len(hotwords) - len(start) - 1
    earlier = before.previous[-min(_MOST_CONTEXT, room) :]
    context = [vocabulary.previous, *hotwords, *earlier] if hotwords or earlier else []
    return Prompt((*context, *start), len(context))


def _phrase(vocabulary: Vocabulary, text: str) -> list[int]:
    return vocabulary.encode(" " + text.strip())[:_MOST_CONTEXT]


def make_key(vocabulary: Vocabulary, decoding: DecodingOptions, prompt: Prompt, temperature: float) -> BatchKey:
    """Return what a window's row must have in common with others to share a batch.

    Raises:
        InvalidRequestError: when a token that shall not be written does not exist.
    """
    sampled = temperature > 0
    return BatchKey(
        temperature=temperature,
        beam_size=1 if sampled else decoding.beam_size,
        hypotheses=decoding.best_of if sampled else min(decoding.alternatives, decoding.beam_size),
        patience=1.0 if sampled else decoding.patience,
        length_penalty=decoding.length_penalty,
        repetition_penalty=decoding.repetition_penalty,
        no_repeat_ngram_size=decoding.no_repeat_ngram_size,
        max_length=_max_length(prompt, decoding.max_new_tokens),
        suppress_blank=decoding.suppress_blank,
        suppress_tokens=vocabulary.suppressed(decoding.suppress_tokens),
        max_initial_timestamp_index=round(decoding.max_initial_timestamp / TIME_PRECISION),
        timestamps=decoding.timestamps,
        start=prompt.start,
        prompt_length=len(prompt.tokens),
    )


def _max_length(prompt: Prompt, max_new_tokens: int | None) -> int:
    """Return CTranslate2's `max_length`: it writes as many tokens as are left of it, and at most half of it."""
    if max_new_tokens is None:
        return MAX_LENGTH
    return min(MAX_LENGTH, max(len(prompt.tokens) + max_new_tokens, 2 * max_new_tokens))


def encode_prompt(vocabulary: Vocabulary, text: str | None, *, stripped: bool) -> Sequence[int]:
    """Return the tokens of an initial prompt, which one of faster-whisper's pipelines takes for a word's beginning."""
    if not text:
        return ()
    return vocabulary.encode(" " + text.strip() if stripped else text)
