"""From Riva's RecognitionConfig to instructions: each field is honoured, accepted without effect, or refused.

docs/server.md has the table, and a test for every row. Whether numbers are within bounds is checked where work begins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from riva.client.proto.riva_audio_pb2 import AudioEncoding

from whisper_server.audio.formats import AudioHint, Encoding
from whisper_server.engine.limits import MAX_CONTEXT_CHARACTERS
from whisper_server.engine.options import Instructions, Task
from whisper_server.errors import InvalidRequestError
from whisper_server.languages import whisper_language
from whisper_server.live.interface import LiveOptions
from whisper_server.rpc.riva_custom import Custom, read_custom
from whisper_server.rpc.riva_endpointing import live_endpointing, read_endpointing
from whisper_server.served_model import ServedModel

_ENCODINGS = {
    AudioEncoding.ENCODING_UNSPECIFIED: Encoding.ANY,
    AudioEncoding.LINEAR_PCM: Encoding.LINEAR_PCM,
    AudioEncoding.FLAC: Encoding.FLAC,
    AudioEncoding.MULAW: Encoding.MULAW,
    AudioEncoding.ALAW: Encoding.ALAW,
    AudioEncoding.OGGOPUS: Encoding.OGG_OPUS,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for.

    Attributes:
        hint: what it says of the audio.
        instructions: what to do with it.
        masked: whether the operator's words are masked in what is said.
    """

    hint: AudioHint
    instructions: Instructions
    masked: bool


def read_config(config: Any, model: ServedModel) -> Asked:
    """Return what a RecognitionConfig asks for.

    Raises:
        NotFoundError: when it names another model.
        InvalidRequestError: when a field cannot be right or asks for what is not done here.
    """
    custom = read_custom(config.custom_configuration)
    return _read(config, custom, read_endpointing(config, custom.vad), model)


def read_streaming_config(streaming: Any, model: ServedModel) -> tuple[Asked, LiveOptions]:
    """Return what a StreamingRecognitionConfig asks for; raises as `read_config` does."""
    config = streaming.config
    custom = read_custom(config.custom_configuration)
    if custom.instructions.vad is None:
        raise InvalidRequestError("vad_filter: pauses end a stream's utterances, so they are looked for in any case")
    endpointing = read_endpointing(config, custom.vad)
    options = LiveOptions(streaming.interim_results, live_endpointing({**custom.vad, **endpointing}))
    return _read(config, custom, endpointing, model), options


def _read(config: Any, custom: Custom, endpointing: Mapping[str, Any], model: ServedModel) -> Asked:
    model.resolve_name(config.model)
    _refuse(config)
    own = custom.instructions
    instructions = replace(
        own,
        language=_read_language(config, custom, model),
        word_times=config.enable_word_time_offsets,
        context=replace(own.context, hotwords=_read_hotwords(config, own.context.hotwords)),
        decoding=replace(own.decoding, alternatives=_read_alternatives(config, own.decoding.beam_size)),
        vad=None if own.vad is None else replace(own.vad, **endpointing),
    )
    _check_model(instructions, model)
    return Asked(_read_audio(config), instructions, config.profanity_filter)


def _refuse(config: Any) -> None:
    """A caller who relies on one of these would otherwise get a wrong result without knowing."""
    if config.diarization_config.enable_speaker_diarization:
        raise InvalidRequestError("diarization_config: speakers are not told apart here")
    if config.enable_separate_recognition_per_channel:
        raise InvalidRequestError(
            "enable_separate_recognition_per_channel: channels are mixed here; send each in a request of its own"
        )


def _check_model(instructions: Instructions, model: ServedModel) -> None:
    model.check_task(instructions.task)
    if instructions.word_times:
        model.check_word_times()
    if instructions.multilingual and not model.multilingual:
        raise InvalidRequestError("multilingual: this model knows English only")


def _read_audio(config: Any) -> AudioHint:
    encoding = _ENCODINGS.get(config.encoding)
    if encoding is None:
        raise InvalidRequestError(f"encoding: {config.encoding} is none that Riva's AudioEncoding names")
    return AudioHint(encoding, config.sample_rate_hertz, config.audio_channel_count)


def _read_language(config: Any, custom: Custom, model: ServedModel) -> str | None:
    """Return the code of the language that is spoken; None to detect it."""
    language = whisper_language(config.language_code, model.languages)
    source = whisper_language(custom.source_language, model.languages)
    if language is not None and source is not None and language != source:
        raise InvalidRequestError(f"source_language: {source!r} is not language_code, {language!r}")
    spoken = language or source
    target = whisper_language(custom.target_language, model.languages)
    translates = custom.instructions.task is Task.TRANSLATE
    if target is not None and target != ("en" if translates else spoken or target):
        what = "Whisper translates into English only" if translates else "send task translate too"
        raise InvalidRequestError(f"target_language: {target!r}: {what}")
    return spoken


def _read_hotwords(config: Any, more: str | None) -> str | None:
    contexts = config.speech_contexts[: MAX_CONTEXT_CHARACTERS + 1]
    if max(len(contexts), sum(len(context.phrases) for context in contexts)) > MAX_CONTEXT_CHARACTERS:
        raise InvalidRequestError(f"speech_contexts: more than {MAX_CONTEXT_CHARACTERS} phrases")
    phrases = [phrase.strip() for context in contexts for phrase in context.phrases if phrase.strip()]
    text = ", ".join([*phrases, *([more] if more else [])])
    if phrases and len(text) > MAX_CONTEXT_CHARACTERS:
        raise InvalidRequestError(
            f"speech_contexts: {len(text)} characters of phrases; a model takes {MAX_CONTEXT_CHARACTERS} at most"
        )
    return text or None


def _read_alternatives(config: Any, beam_size: int) -> int:
    """Riva may return fewer than are asked for, and a beam holds no more than its size."""
    if config.max_alternatives < 0:
        raise InvalidRequestError(f"max_alternatives: {config.max_alternatives} is less than none")
    wanted: int = config.max_alternatives
    return max(1, min(wanted, beam_size))
