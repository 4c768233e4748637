"""From the fields of OpenAI's form to instructions: each is honoured, accepted without effect, or refused.

docs/server.md has the table, and a test for every row. https://platform.openai.com/docs/api-reference/audio
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from whisper_server.engine.limits import MAX_CONTEXT_CHARACTERS, check, check_range
from whisper_server.engine.option_texts import OPTION_NAMES, read_bool, read_float, read_option, with_options
from whisper_server.engine.options import Context, Instructions, Task
from whisper_server.errors import InvalidRequestError
from whisper_server.http.errors import InvalidFieldError
from whisper_server.languages import whisper_language
from whisper_server.served_model import ServedModel

#: Every field that came, by its name without the brackets that those of lists and objects have, with its values.
Fields = Mapping[str, Sequence[str]]

_LISTS = frozenset({"timestamp_granularities", "keywords"})
#: Of the sequential plan, which HTTP does not have, and of further hypotheses, for which OpenAI's answers have no room.
_NOT_OVER_HTTP = frozenset(
    {"alternatives", "condition_on_previous_text", "hallucination_silence_threshold", "prompt_reset_on_temperature"}
)
_OPTIONS = OPTION_NAMES - _NOT_OVER_HTTP
#: What OpenAI's form has and is not done here: a caller who relies on it would get a wrong result without knowing.
_REFUSED = {
    "include": "the probabilities of single tokens are not told here",
    "languages": "send one language as `language`, or none to have it detected",
    "known_speaker_names": "speakers are not told apart here",
    "known_speaker_references": "speakers are not told apart here",
    **dict.fromkeys(_NOT_OVER_HTTP, "this is not done over HTTP: gRPC's whisper.v1.Transcription has it"),
}
_KNOWN = frozenset(
    {
        *("model", "language", "prompt", "response_format", "temperature", "stream", "chunking_strategy"),
        *("hotwords", "prefix", "multilingual"),
        *_LISTS,
        *_OPTIONS,
        *_REFUSED,
    }
)

_Choice = TypeVar("_Choice", bound=StrEnum)


class ResponseFormat(StrEnum):
    """How the answer is written."""

    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VERBOSE_JSON = "verbose_json"
    VTT = "vtt"


class Granularity(StrEnum):
    """What gets times in verbose JSON."""

    WORD = "word"
    SEGMENT = "segment"


_CAPTIONS = frozenset({ResponseFormat.SRT, ResponseFormat.VTT})


@dataclass(frozen=True, slots=True)
class Choice:
    """What a form asks for.

    Attributes:
        instructions: to the model.
        response_format: of the answer.
        granularities: what has times in verbose JSON.
    """

    instructions: Instructions
    response_format: ResponseFormat
    granularities: frozenset[Granularity]


def check_name(name: str) -> None:
    """Raise InvalidFieldError for a field that no form has."""
    if name not in _KNOWN:
        raise InvalidFieldError(name[:40], f"{name[:40]!r} is no field of this form")


def read_choice(fields: Fields, model: ServedModel, task: Task) -> Choice:
    """Return what a form asks for.

    Raises:
        NotFoundError: when it names another model.
        InvalidRequestError: when a field cannot be right or asks for what is not done here.
    """
    given = {name: values for name, values in fields.items() if any(values)}
    _refuse(given)
    texts = {name: _only(name, values) for name, values in given.items() if name not in _LISTS}
    model.resolve_name(texts.get("model", ""))
    model.check_task(task)
    response_format = _read_format(texts)
    granularities = _read_granularities(given.get("timestamp_granularities", ()), response_format)
    instructions = _timed(_read_instructions(given, texts, model, task), model, response_format, granularities)
    options = {name: text for name, text in texts.items() if name in _OPTIONS}
    with _told_of_field():
        instructions = with_options(instructions, options)
        check(instructions)
    return Choice(instructions, response_format, granularities)


def _refuse(given: Fields) -> None:
    for name in given:
        check_name(name)
        if name in _REFUSED:
            raise InvalidFieldError(name, f"{name}: {_REFUSED[name]}")
    if any(strategy != "auto" for strategy in given.get("chunking_strategy", ())):
        raise InvalidFieldError(
            "chunking_strategy", "chunking_strategy: only auto is known here; vad_threshold and its like tune it"
        )


def _only(name: str, values: Sequence[str]) -> str:
    if len(values) > 1:
        raise InvalidFieldError(name, f"{name}: it is given {len(values)} times, and only one value can be meant")
    return values[0]


def _read_format(texts: Mapping[str, str]) -> ResponseFormat:
    with _told_of_field():
        if read_option(read_bool, "stream", texts.get("stream", "false")):
            raise InvalidRequestError("stream: events are not sent here yet; leave it out, or stream over gRPC")
    return _one_of(ResponseFormat, "response_format", texts.get("response_format", ResponseFormat.JSON))


def _read_granularities(given: Sequence[str], response_format: ResponseFormat) -> frozenset[Granularity]:
    name = "timestamp_granularities"
    if given and response_format is not ResponseFormat.VERBOSE_JSON:
        raise InvalidFieldError(name, f"{name}: only response_format verbose_json has times")
    return frozenset(_one_of(Granularity, name, text) for text in given or (Granularity.SEGMENT,))


def _one_of(kind: type[_Choice], name: str, text: str) -> _Choice:
    try:
        return kind(text)
    except ValueError:
        raise InvalidFieldError(name, f"{name}: {text[:40]!r} is not one of {', '.join(kind)}") from None


def _read_instructions(given: Fields, texts: Mapping[str, str], model: ServedModel, task: Task) -> Instructions:
    with _told_of_field("language"):
        language = whisper_language(texts.get("language", ""), model.languages)
    phrases = [phrase.strip() for phrase in (texts.get("hotwords", ""), *given.get("keywords", ()))]
    # OpenAI's documentation: "The model will only consider the final 224 tokens of the prompt".
    prompt = texts.get("prompt", "")[-MAX_CONTEXT_CHARACTERS:]
    with _told_of_field():
        multilingual = read_option(read_bool, "multilingual", texts.get("multilingual", "false"))
    instructions = Instructions(
        language=language,
        task=task,
        multilingual=multilingual,
        context=Context(prompt or None, texts.get("prefix"), ", ".join(filter(None, phrases)) or None),
    )
    return _heated(instructions, texts)


def _heated(instructions: Instructions, texts: Mapping[str, str]) -> Instructions:
    """Take a temperature above 0 for the only one; 0 stands for raising it when a text is doubtful, as OpenAI does."""
    with _told_of_field():
        temperature = read_option(read_float, "temperature", texts.get("temperature", "0"))
        check_range("temperature", temperature, (0, 1))
    if temperature == 0:
        return instructions
    return replace(instructions, decoding=replace(instructions.decoding, temperatures=(temperature,)))


def _timed(
    instructions: Instructions,
    model: ServedModel,
    response_format: ResponseFormat,
    granularities: frozenset[Granularity],
) -> Instructions:
    """Ask the model for the times that the answer needs."""
    wants_words = Granularity.WORD in granularities
    if wants_words:
        with _told_of_field("timestamp_granularities"):
            model.check_word_times()
    words = wants_words or (response_format in _CAPTIONS and model.times_words)
    verbose = response_format is ResponseFormat.VERBOSE_JSON and Granularity.SEGMENT in granularities
    timestamps = verbose or (response_format in _CAPTIONS and not model.times_words)
    return replace(instructions, word_times=words, decoding=replace(instructions.decoding, timestamps=timestamps))


@contextlib.contextmanager
def _told_of_field(name: str = "") -> Iterator[None]:
    """Tell of which field an error is: of `name`, or of the one that its text begins with."""
    try:
        yield
    except InvalidRequestError as error:
        field = name or str(error).partition(":")[0]
        raise InvalidFieldError(field, str(error)) from error
