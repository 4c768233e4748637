"""From Riva's RecognitionConfig to instructions: each field is honoured, accepted without effect, or refused.

docs/server.md has the table, and a test for every row.
"""

from typing import Any

from riva.client.proto.riva_audio_pb2 import AudioEncoding

from whisper_server.audio.formats import AudioHint, Encoding
from whisper_server.engine.options import Context, Instructions, Task
from whisper_server.errors import InvalidRequestError
from whisper_server.languages import whisper_language
from whisper_server.served_model import ServedModel

_ENCODINGS = {
    AudioEncoding.ENCODING_UNSPECIFIED: Encoding.ANY,
    AudioEncoding.LINEAR_PCM: Encoding.LINEAR_PCM,
    AudioEncoding.FLAC: Encoding.FLAC,
    AudioEncoding.MULAW: Encoding.MULAW,
    AudioEncoding.ALAW: Encoding.ALAW,
    AudioEncoding.OGGOPUS: Encoding.OGG_OPUS,
}

#: About the 223 tokens that Whisper's prompt takes; the model would drop the rest without a word.
MAX_HOTWORD_CHARACTERS = 1_000

_TASK_KEY = "task"


def read_config(config: Any, model: ServedModel) -> tuple[AudioHint, Instructions]:
    """Return what a RecognitionConfig says of the audio, and what it asks for.

    Raises:
        NotFoundError: when the config names another model.
        InvalidRequestError: when a field cannot be right or asks for what is not done here.
    """
    model.resolve_name(config.model)
    _refuse(config)
    task = _read_task(config.custom_configuration)
    model.check_task(task)
    if config.enable_word_time_offsets:
        model.check_word_times()
    instructions = Instructions(
        language=whisper_language(config.language_code, model.languages),
        task=task,
        word_times=config.enable_word_time_offsets,
        context=Context(hotwords=_read_hotwords(config.speech_contexts)),
    )
    return _read_audio(config), instructions


def _refuse(config: Any) -> None:
    """A caller who relies on one of these would otherwise get a wrong result without knowing."""
    if config.diarization_config.enable_speaker_diarization:
        raise InvalidRequestError("diarization_config: speakers are not told apart here")
    if config.enable_separate_recognition_per_channel:
        raise InvalidRequestError(
            "enable_separate_recognition_per_channel: channels are mixed here; send each in a request of its own"
        )
    if config.profanity_filter:
        raise InvalidRequestError("profanity_filter: words are not filtered here")
    if config.max_alternatives < 0:
        raise InvalidRequestError(f"max_alternatives: {config.max_alternatives} is less than none")


def _read_audio(config: Any) -> AudioHint:
    encoding = _ENCODINGS.get(config.encoding)
    if encoding is None:
        raise InvalidRequestError(f"encoding: {config.encoding} is none that Riva's AudioEncoding names")
    return AudioHint(encoding, config.sample_rate_hertz, config.audio_channel_count)


def _read_task(custom: Any) -> Task:
    if unknown := sorted(set(custom) - {_TASK_KEY}):
        raise InvalidRequestError(f"custom_configuration: {unknown[0][:40]!r} is unknown; known: {_TASK_KEY}")
    try:
        return Task(custom.get(_TASK_KEY, Task.TRANSCRIBE))
    except ValueError:
        raise InvalidRequestError(f"custom_configuration: task is {' or '.join(Task)}") from None


def _read_hotwords(contexts: Any) -> str | None:
    phrases = ", ".join(phrase.strip() for context in contexts for phrase in context.phrases if phrase.strip())
    if len(phrases) > MAX_HOTWORD_CHARACTERS:
        raise InvalidRequestError(
            f"speech_contexts: {len(phrases)} characters of phrases; a model takes {MAX_HOTWORD_CHARACTERS} at most"
        )
    return phrases or None
