"""What Riva's `custom_configuration` may hold: Whisper's own options by key.

A value is text, and may be percent-encoded (RFC 3986), since Riva's command line splits at commas and colons and drops
spaces.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote_to_bytes

from whisper_server.engine.limits import MAX_CONTEXT_CHARACTERS
from whisper_server.engine.option_texts import OPTION_NAMES, VAD_READERS, read_option, with_options
from whisper_server.engine.options import Context, Instructions, Task
from whisper_server.errors import InvalidRequestError

#: A character of four bytes is twelve when it is encoded.
_LONGEST_VALUE = 12 * MAX_CONTEXT_CHARACTERS

#: What NVIDIA's own Whisper service takes (https://docs.nvidia.com/nim/speech/latest/asr/), beside `_TASK`.
_SOURCE, _TARGET = "source_language", "target_language"
_TASK, _MULTILINGUAL = "task", "multilingual"
_CONTEXT = {
    "initial_prompt": "initial_prompt",
    "prompt": "initial_prompt",
    "prefix": "prefix",
    "hotwords": "hotwords",
}
#: faster-whisper's name of an option that is a list here.
_ALIASES = {"temperature": "temperatures"}
#: Options of a plan in which windows depend on one another, which Riva's calls do not have, and what has a field.
_NOT_HERE = {
    *("condition_on_previous_text", "prompt_reset_on_temperature", "hallucination_silence_threshold"),
    "alternatives",
}

KNOWN = (
    *(_TASK, _SOURCE, _TARGET, _MULTILINGUAL, *_CONTEXT),
    *sorted({*OPTION_NAMES, *_ALIASES} - _NOT_HERE - set(_ALIASES.values())),
)


@dataclass(frozen=True, slots=True)
class Custom:
    """What a request's `custom_configuration` says.

    Attributes:
        instructions: its options; the language is left to others.
        vad: the fields of VadOptions that it gives, with their values.
        source_language: the tag of what is spoken; empty when not given.
        target_language: the tag of what is written; likewise.
    """

    instructions: Instructions
    vad: Mapping[str, Any]
    source_language: str
    target_language: str


def read_custom(configuration: Mapping[str, str]) -> Custom:
    """Return what `custom_configuration` asks for.

    Raises:
        InvalidRequestError: when a key is unknown, with those that are known, or a value cannot be read.
    """
    unknown = next((key for key in configuration if key not in KNOWN), None)
    if unknown is not None:
        raise InvalidRequestError(f"custom_configuration: {unknown[:40]!r} is unknown; known: {', '.join(KNOWN)}")
    texts = {key: _decoded(key, value) for key, value in configuration.items()}
    instructions = Instructions(
        task=read_option(_read_task, _TASK, texts.get(_TASK, Task.TRANSCRIBE)),
        multilingual=read_option(_read_switch, _MULTILINGUAL, texts.get(_MULTILINGUAL, "false")),
        context=_read_context(texts),
    )
    options = {_ALIASES.get(key, key): text for key, text in texts.items() if _ALIASES.get(key, key) in OPTION_NAMES}
    return Custom(
        with_options(instructions, options),
        {
            key.removeprefix("vad_"): read_option(VAD_READERS[key], key, texts[key])
            for key in texts.keys() & VAD_READERS
        },
        texts.get(_SOURCE, ""),
        texts.get(_TARGET, ""),
    )


def _decoded(key: str, value: str) -> str:
    if len(value) > _LONGEST_VALUE:
        raise InvalidRequestError(f"custom_configuration: {key} has {len(value)} characters; {_LONGEST_VALUE} at most")
    try:
        return unquote_to_bytes(value).decode().strip()
    except UnicodeDecodeError:
        raise InvalidRequestError(f"custom_configuration: what {key} is when percent-decoded is not UTF-8") from None


def _read_context(texts: Mapping[str, str]) -> Context:
    if "prompt" in texts and "initial_prompt" in texts:
        raise InvalidRequestError("custom_configuration: prompt and initial_prompt are the same; send one of them")
    return replace(Context(), **{field: texts[key] or None for key, field in _CONTEXT.items() if key in texts})


def _read_task(text: str) -> Task:
    if text not in set(Task):
        raise ValueError(f"is not {' or '.join(Task)}")
    return Task(text)


def _read_switch(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError("is neither true nor false")
    return text.lower() == "true"
