"""From the configs of whisper.v1 to instructions: what is absent has the engine's default."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from whisper_server.api import transcription_pb2 as pb
from whisper_server.audio.formats import AudioHint, Encoding
from whisper_server.cues.writers import Format
from whisper_server.engine.options import Context, DecodingOptions, Instructions, Plan, Task, VadOptions
from whisper_server.errors import InvalidRequestError
from whisper_server.languages import whisper_language
from whisper_server.live.interface import Endpointing, LiveOptions
from whisper_server.served_model import ServedModel

_T = TypeVar("_T")

_ENCODINGS = {
    pb.AUDIO_ENCODING_UNSPECIFIED: Encoding.ANY,
    pb.AUDIO_ENCODING_LINEAR_PCM: Encoding.LINEAR_PCM,
    pb.AUDIO_ENCODING_FLAC: Encoding.FLAC,
    pb.AUDIO_ENCODING_MULAW: Encoding.MULAW,
    pb.AUDIO_ENCODING_ALAW: Encoding.ALAW,
    pb.AUDIO_ENCODING_OGG_OPUS: Encoding.OGG_OPUS,
}
_TASKS = {
    pb.TASK_UNSPECIFIED: Task.TRANSCRIBE,
    pb.TASK_TRANSCRIBE: Task.TRANSCRIBE,
    pb.TASK_TRANSLATE: Task.TRANSLATE,
}
_PLANS = {
    pb.PLAN_UNSPECIFIED: Plan.INDEPENDENT,
    pb.PLAN_INDEPENDENT: Plan.INDEPENDENT,
    pb.PLAN_SEQUENTIAL: Plan.SEQUENTIAL,
}
_FORMATS = {
    pb.OUTPUT_FORMAT_UNSPECIFIED: None,
    pb.OUTPUT_FORMAT_SEGMENTS: None,
    pb.OUTPUT_FORMAT_TXT: Format.TXT,
    pb.OUTPUT_FORMAT_SRT: Format.SRT,
    pb.OUTPUT_FORMAT_VTT: Format.VTT,
    pb.OUTPUT_FORMAT_JSON: Format.JSON,
}


def read_instructions(config: pb.TranscribeConfig, model: ServedModel) -> Instructions:
    """Return what is to be done with a recording.

    Raises:
        NotFoundError: when the config names another model.
        InvalidRequestError: when the model cannot do it, or a value has no meaning; the text names the field.
    """
    model.resolve_name(config.model)
    instructions = replace(read_speech(config.speech, model), plan=_meaning("plan", config.plan, _PLANS))
    subtitles = read_format(config) in {Format.SRT, Format.VTT}
    return replace(instructions, word_times=instructions.word_times or (subtitles and model.times_words))


def read_speech(options: pb.SpeechOptions, model: ServedModel) -> Instructions:
    """Return how speech is to be written down; raises as `read_instructions`."""
    task = _meaning("task", options.task, _TASKS)
    model.check_task(task)
    if options.word_times:
        model.check_word_times()
    return Instructions(
        language=whisper_language(options.language, model.languages),
        task=task,
        word_times=options.word_times,
        multilingual=options.multilingual,
        context=Context(options.initial_prompt or None, options.prefix or None, options.hotwords or None),
        decoding=_read_decoding(options.decoding),
        vad=_read_vad(options.vad),
    )


def read_live(config: pb.StreamTranscribeConfig) -> LiveOptions:
    """Return how a stream is listened to; InvalidRequestError when an utterance cannot end like that."""
    return LiveOptions(config.interim_results, Endpointing(**_given(config.endpointing)))


def read_audio(audio: pb.AudioFormat) -> AudioHint:
    """Return what is said of the bytes; InvalidRequestError for an encoding that has no name."""
    encoding = _meaning("audio_format.encoding", audio.encoding, _ENCODINGS)
    return AudioHint(encoding, audio.sample_rate_hertz, audio.channels)


def read_format(config: pb.TranscribeConfig) -> Format | None:
    """Return the document that is asked for, None for messages; InvalidRequestError for one that has no name."""
    return _meaning("output_format", config.output_format, _FORMATS)


def _read_decoding(options: pb.DecodingOptions) -> DecodingOptions:
    given = _given(options)
    if "suppress_tokens" in given:
        given["suppress_tokens"] = tuple(options.suppress_tokens.ids)
    if options.temperatures:
        given["temperatures"] = tuple(options.temperatures)
    return replace(DecodingOptions(), **given)


def _read_vad(options: pb.VadOptions) -> VadOptions | None:
    given = _given(options)
    return replace(VadOptions(), **given) if given.pop("enabled", True) else None


def _given(options: Any) -> dict[str, Any]:
    """Return the fields that are present, by name; the messages' names are those of the engine's options."""
    return {field.name: value for field, value in options.ListFields() if field.has_presence}


def _meaning(field: str, value: int, meanings: Mapping[Any, _T]) -> _T:
    if value not in meanings:
        raise InvalidRequestError(f"{field}: {value} has no meaning here; known are 0 to {max(meanings)}")
    return meanings[value]
