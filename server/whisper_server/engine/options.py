"""What a request may choose: language and task, how windows are decoded, where speech is looked for."""

from dataclasses import dataclass, field
from enum import StrEnum

from whisper_server.audio.speech import VadOptions

__all__ = ["FALLBACK_TEMPERATURES", "Context", "DecodingOptions", "Instructions", "Plan", "Task", "VadOptions"]

#: Tried one after the other until a window's text passes the thresholds; https://arxiv.org/abs/2212.04356, section 4.5.
FALLBACK_TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class Task(StrEnum):
    """What is written: the words as spoken, or their English."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


class Plan(StrEnum):
    """Whether windows depend on one another."""

    INDEPENDENT = "independent"
    SEQUENTIAL = "sequential"


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How the model writes what it hears; names and defaults are faster-whisper's.

    Attributes:
        beam_size: hypotheses kept at temperature 0.
        best_of: hypotheses sampled above it.
        patience: factor of the beam search.
        length_penalty: exponent by which scores are divided.
        repetition_penalty: above 1 discourages what was written already.
        no_repeat_ngram_size: runs of so many tokens are not repeated; 0 for any.
        temperatures: in order of trying; with a single one the independent plan takes every text as it is.
        compression_ratio_threshold: text that compresses better is taken for a loop and fails; None to let it pass.
        log_prob_threshold: a mean log probability below fails; None to let it pass.
        no_speech_threshold: above this, and below the log probability's, the window is silence; None for never.
        suppress_blank: whether a window may not begin with a blank.
        suppress_tokens: ids never written; -1 stands for the symbols that are no speech.
        timestamps: whether the model writes times between segments.
        max_initial_timestamp: latest first time, in seconds.
        max_new_tokens: of one window; None for what the model can.
        alternatives: hypotheses returned, at most `beam_size`.
        condition_on_previous_text: in the sequential plan, whether earlier text prompts the next window.
        prompt_reset_on_temperature: in the sequential plan, above which temperature it does not.
        hallucination_silence_threshold: in the sequential plan with word times, seconds of silence around what is then
            dropped as imagined; None for never.
    """

    beam_size: int = 5
    best_of: int = 5
    patience: float = 1.0
    length_penalty: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    temperatures: tuple[float, ...] = FALLBACK_TEMPERATURES
    compression_ratio_threshold: float | None = 2.4
    log_prob_threshold: float | None = -1.0
    no_speech_threshold: float | None = 0.6
    suppress_blank: bool = True
    suppress_tokens: tuple[int, ...] = (-1,)
    timestamps: bool = False
    max_initial_timestamp: float = 1.0
    max_new_tokens: int | None = None
    alternatives: int = 1
    condition_on_previous_text: bool = True
    prompt_reset_on_temperature: float = 0.5
    hallucination_silence_threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What the model is told before it listens.

    Attributes:
        initial_prompt: text before the first window, in the independent plan before every window.
        prefix: text with which the first window begins; hotwords have no effect on it.
        hotwords: phrases to expect.
    """

    initial_prompt: str | None = field(default=None, repr=False)
    prefix: str | None = field(default=None, repr=False)
    hotwords: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Instructions:
    """What to do with a recording, whatever front end it came by.

    Attributes:
        language: Whisper's code, one that the model knows; None to detect it.
        task: whether to translate.
        word_times: whether to find each word's times.
        plan: whether windows depend on one another.
        multilingual: whether the language is detected for each window anew.
        context: what the model is told before it listens.
        decoding: how it writes.
        vad: where speech is looked for; None to take everything for speech.
    """

    language: str | None = None
    task: Task = Task.TRANSCRIBE
    word_times: bool = False
    plan: Plan = Plan.INDEPENDENT
    multilingual: bool = False
    context: Context = Context()
    decoding: DecodingOptions = DecodingOptions()
    vad: VadOptions | None = field(default_factory=VadOptions)
