from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AudioEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_ENCODING_UNSPECIFIED: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_LINEAR_PCM: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_FLAC: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_MULAW: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_ALAW: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_OGG_OPUS: _ClassVar[AudioEncoding]

class Task(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_UNSPECIFIED: _ClassVar[Task]
    TASK_TRANSCRIBE: _ClassVar[Task]
    TASK_TRANSLATE: _ClassVar[Task]

class Plan(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PLAN_UNSPECIFIED: _ClassVar[Plan]
    PLAN_INDEPENDENT: _ClassVar[Plan]
    PLAN_SEQUENTIAL: _ClassVar[Plan]

class OutputFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTPUT_FORMAT_UNSPECIFIED: _ClassVar[OutputFormat]
    OUTPUT_FORMAT_SEGMENTS: _ClassVar[OutputFormat]
    OUTPUT_FORMAT_TXT: _ClassVar[OutputFormat]
    OUTPUT_FORMAT_SRT: _ClassVar[OutputFormat]
    OUTPUT_FORMAT_VTT: _ClassVar[OutputFormat]
    OUTPUT_FORMAT_JSON: _ClassVar[OutputFormat]
AUDIO_ENCODING_UNSPECIFIED: AudioEncoding
AUDIO_ENCODING_LINEAR_PCM: AudioEncoding
AUDIO_ENCODING_FLAC: AudioEncoding
AUDIO_ENCODING_MULAW: AudioEncoding
AUDIO_ENCODING_ALAW: AudioEncoding
AUDIO_ENCODING_OGG_OPUS: AudioEncoding
TASK_UNSPECIFIED: Task
TASK_TRANSCRIBE: Task
TASK_TRANSLATE: Task
PLAN_UNSPECIFIED: Plan
PLAN_INDEPENDENT: Plan
PLAN_SEQUENTIAL: Plan
OUTPUT_FORMAT_UNSPECIFIED: OutputFormat
OUTPUT_FORMAT_SEGMENTS: OutputFormat
OUTPUT_FORMAT_TXT: OutputFormat
OUTPUT_FORMAT_SRT: OutputFormat
OUTPUT_FORMAT_VTT: OutputFormat
OUTPUT_FORMAT_JSON: OutputFormat

class TranscribeRequest(_message.Message):
    __slots__ = ("config", "audio")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    config: TranscribeConfig
    audio: bytes
    def __init__(self, config: _Optional[_Union[TranscribeConfig, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class TranscribeConfig(_message.Message):
    __slots__ = ("model", "audio_format", "speech", "plan", "output_format")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SPEECH_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    model: str
    audio_format: AudioFormat
    speech: SpeechOptions
    plan: Plan
    output_format: OutputFormat
    def __init__(self, model: _Optional[str] = ..., audio_format: _Optional[_Union[AudioFormat, _Mapping]] = ..., speech: _Optional[_Union[SpeechOptions, _Mapping]] = ..., plan: _Optional[_Union[Plan, str]] = ..., output_format: _Optional[_Union[OutputFormat, str]] = ...) -> None: ...

class TranscribeResponse(_message.Message):
    __slots__ = ("language", "segment", "text", "progress", "summary")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    language: Language
    segment: Segment
    text: str
    progress: Progress
    summary: Summary
    def __init__(self, language: _Optional[_Union[Language, _Mapping]] = ..., segment: _Optional[_Union[Segment, _Mapping]] = ..., text: _Optional[str] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., summary: _Optional[_Union[Summary, _Mapping]] = ...) -> None: ...

class StreamTranscribeRequest(_message.Message):
    __slots__ = ("config", "audio")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    config: StreamTranscribeConfig
    audio: bytes
    def __init__(self, config: _Optional[_Union[StreamTranscribeConfig, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class StreamTranscribeConfig(_message.Message):
    __slots__ = ("model", "audio_format", "speech", "interim_results", "endpointing")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SPEECH_FIELD_NUMBER: _ClassVar[int]
    INTERIM_RESULTS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINTING_FIELD_NUMBER: _ClassVar[int]
    model: str
    audio_format: AudioFormat
    speech: SpeechOptions
    interim_results: bool
    endpointing: Endpointing
    def __init__(self, model: _Optional[str] = ..., audio_format: _Optional[_Union[AudioFormat, _Mapping]] = ..., speech: _Optional[_Union[SpeechOptions, _Mapping]] = ..., interim_results: _Optional[bool] = ..., endpointing: _Optional[_Union[Endpointing, _Mapping]] = ...) -> None: ...

class StreamTranscribeResponse(_message.Message):
    __slots__ = ("interim", "final", "summary")
    INTERIM_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    interim: Interim
    final: Final
    summary: Summary
    def __init__(self, interim: _Optional[_Union[Interim, _Mapping]] = ..., final: _Optional[_Union[Final, _Mapping]] = ..., summary: _Optional[_Union[Summary, _Mapping]] = ...) -> None: ...

class DetectLanguageRequest(_message.Message):
    __slots__ = ("config", "audio")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    config: DetectLanguageConfig
    audio: bytes
    def __init__(self, config: _Optional[_Union[DetectLanguageConfig, _Mapping]] = ..., audio: _Optional[bytes] = ...) -> None: ...

class DetectLanguageConfig(_message.Message):
    __slots__ = ("model", "audio_format")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FORMAT_FIELD_NUMBER: _ClassVar[int]
    model: str
    audio_format: AudioFormat
    def __init__(self, model: _Optional[str] = ..., audio_format: _Optional[_Union[AudioFormat, _Mapping]] = ...) -> None: ...

class DetectLanguageResponse(_message.Message):
    __slots__ = ("language",)
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    language: Language
    def __init__(self, language: _Optional[_Union[Language, _Mapping]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("model", "limits")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    model: Model
    limits: Limits
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("names", "digest", "languages", "multilingual", "word_times", "device", "compute_type")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    MULTILINGUAL_FIELD_NUMBER: _ClassVar[int]
    WORD_TIMES_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_TYPE_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    digest: str
    languages: _containers.RepeatedScalarFieldContainer[str]
    multilingual: bool
    word_times: bool
    device: str
    compute_type: str
    def __init__(self, names: _Optional[_Iterable[str]] = ..., digest: _Optional[str] = ..., languages: _Optional[_Iterable[str]] = ..., multilingual: _Optional[bool] = ..., word_times: _Optional[bool] = ..., device: _Optional[str] = ..., compute_type: _Optional[str] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_message_bytes", "max_upload_bytes", "max_audio_seconds", "max_sequential_audio_seconds", "max_context_characters", "option_ranges", "max_streams", "max_deadline_seconds")
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_UPLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_AUDIO_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_SEQUENTIAL_AUDIO_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTEXT_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    OPTION_RANGES_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_DEADLINE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    max_message_bytes: int
    max_upload_bytes: int
    max_audio_seconds: float
    max_sequential_audio_seconds: float
    max_context_characters: int
    option_ranges: _containers.RepeatedCompositeFieldContainer[OptionRange]
    max_streams: int
    max_deadline_seconds: float
    def __init__(self, max_message_bytes: _Optional[int] = ..., max_upload_bytes: _Optional[int] = ..., max_audio_seconds: _Optional[float] = ..., max_sequential_audio_seconds: _Optional[float] = ..., max_context_characters: _Optional[int] = ..., option_ranges: _Optional[_Iterable[_Union[OptionRange, _Mapping]]] = ..., max_streams: _Optional[int] = ..., max_deadline_seconds: _Optional[float] = ...) -> None: ...

class OptionRange(_message.Message):
    __slots__ = ("name", "minimum", "maximum")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    name: str
    minimum: float
    maximum: float
    def __init__(self, name: _Optional[str] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ...) -> None: ...

class AudioFormat(_message.Message):
    __slots__ = ("encoding", "sample_rate_hertz", "channels")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HERTZ_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    encoding: AudioEncoding
    sample_rate_hertz: int
    channels: int
    def __init__(self, encoding: _Optional[_Union[AudioEncoding, str]] = ..., sample_rate_hertz: _Optional[int] = ..., channels: _Optional[int] = ...) -> None: ...

class SpeechOptions(_message.Message):
    __slots__ = ("language", "task", "word_times", "multilingual", "initial_prompt", "prefix", "hotwords", "decoding", "vad")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    WORD_TIMES_FIELD_NUMBER: _ClassVar[int]
    MULTILINGUAL_FIELD_NUMBER: _ClassVar[int]
    INITIAL_PROMPT_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    DECODING_FIELD_NUMBER: _ClassVar[int]
    VAD_FIELD_NUMBER: _ClassVar[int]
    language: str
    task: Task
    word_times: bool
    multilingual: bool
    initial_prompt: str
    prefix: str
    hotwords: str
    decoding: DecodingOptions
    vad: VadOptions
    def __init__(self, language: _Optional[str] = ..., task: _Optional[_Union[Task, str]] = ..., word_times: _Optional[bool] = ..., multilingual: _Optional[bool] = ..., initial_prompt: _Optional[str] = ..., prefix: _Optional[str] = ..., hotwords: _Optional[str] = ..., decoding: _Optional[_Union[DecodingOptions, _Mapping]] = ..., vad: _Optional[_Union[VadOptions, _Mapping]] = ...) -> None: ...

class DecodingOptions(_message.Message):
    __slots__ = ("beam_size", "best_of", "patience", "length_penalty", "repetition_penalty", "no_repeat_ngram_size", "temperatures", "compression_ratio_threshold", "log_prob_threshold", "no_speech_threshold", "suppress_blank", "suppress_tokens", "timestamps", "max_initial_timestamp", "max_new_tokens", "alternatives", "condition_on_previous_text", "prompt_reset_on_temperature", "hallucination_silence_threshold")
    BEAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    BEST_OF_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_FIELD_NUMBER: _ClassVar[int]
    LENGTH_PENALTY_FIELD_NUMBER: _ClassVar[int]
    REPETITION_PENALTY_FIELD_NUMBER: _ClassVar[int]
    NO_REPEAT_NGRAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURES_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_RATIO_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    LOG_PROB_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    NO_SPEECH_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    SUPPRESS_BLANK_FIELD_NUMBER: _ClassVar[int]
    SUPPRESS_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    MAX_INITIAL_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    MAX_NEW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    CONDITION_ON_PREVIOUS_TEXT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_RESET_ON_TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    HALLUCINATION_SILENCE_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    beam_size: int
    best_of: int
    patience: float
    length_penalty: float
    repetition_penalty: float
    no_repeat_ngram_size: int
    temperatures: _containers.RepeatedScalarFieldContainer[float]
    compression_ratio_threshold: float
    log_prob_threshold: float
    no_speech_threshold: float
    suppress_blank: bool
    suppress_tokens: TokenIds
    timestamps: bool
    max_initial_timestamp: float
    max_new_tokens: int
    alternatives: int
    condition_on_previous_text: bool
    prompt_reset_on_temperature: float
    hallucination_silence_threshold: float
    def __init__(self, beam_size: _Optional[int] = ..., best_of: _Optional[int] = ..., patience: _Optional[float] = ..., length_penalty: _Optional[float] = ..., repetition_penalty: _Optional[float] = ..., no_repeat_ngram_size: _Optional[int] = ..., temperatures: _Optional[_Iterable[float]] = ..., compression_ratio_threshold: _Optional[float] = ..., log_prob_threshold: _Optional[float] = ..., no_speech_threshold: _Optional[float] = ..., suppress_blank: _Optional[bool] = ..., suppress_tokens: _Optional[_Union[TokenIds, _Mapping]] = ..., timestamps: _Optional[bool] = ..., max_initial_timestamp: _Optional[float] = ..., max_new_tokens: _Optional[int] = ..., alternatives: _Optional[int] = ..., condition_on_previous_text: _Optional[bool] = ..., prompt_reset_on_temperature: _Optional[float] = ..., hallucination_silence_threshold: _Optional[float] = ...) -> None: ...

class TokenIds(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ids: _Optional[_Iterable[int]] = ...) -> None: ...

class VadOptions(_message.Message):
    __slots__ = ("enabled", "threshold", "neg_threshold", "min_speech_duration_ms", "max_speech_duration_s", "min_silence_duration_ms", "speech_pad_ms")
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    NEG_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MIN_SPEECH_DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_SPEECH_DURATION_S_FIELD_NUMBER: _ClassVar[int]
    MIN_SILENCE_DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    SPEECH_PAD_MS_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    threshold: float
    neg_threshold: float
    min_speech_duration_ms: int
    max_speech_duration_s: float
    min_silence_duration_ms: int
    speech_pad_ms: int
    def __init__(self, enabled: _Optional[bool] = ..., threshold: _Optional[float] = ..., neg_threshold: _Optional[float] = ..., min_speech_duration_ms: _Optional[int] = ..., max_speech_duration_s: _Optional[float] = ..., min_silence_duration_ms: _Optional[int] = ..., speech_pad_ms: _Optional[int] = ...) -> None: ...

class Endpointing(_message.Message):
    __slots__ = ("start_history_ms", "start_threshold", "stop_history_ms", "stop_threshold", "max_utterance_seconds")
    START_HISTORY_MS_FIELD_NUMBER: _ClassVar[int]
    START_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    STOP_HISTORY_MS_FIELD_NUMBER: _ClassVar[int]
    STOP_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MAX_UTTERANCE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    start_history_ms: int
    start_threshold: float
    stop_history_ms: int
    stop_threshold: float
    max_utterance_seconds: float
    def __init__(self, start_history_ms: _Optional[int] = ..., start_threshold: _Optional[float] = ..., stop_history_ms: _Optional[int] = ..., stop_threshold: _Optional[float] = ..., max_utterance_seconds: _Optional[float] = ...) -> None: ...

class Language(_message.Message):
    __slots__ = ("language", "probability", "probabilities")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    language: str
    probability: float
    probabilities: _containers.RepeatedCompositeFieldContainer[LanguageProbability]
    def __init__(self, language: _Optional[str] = ..., probability: _Optional[float] = ..., probabilities: _Optional[_Iterable[_Union[LanguageProbability, _Mapping]]] = ...) -> None: ...

class LanguageProbability(_message.Message):
    __slots__ = ("language", "probability")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    language: str
    probability: float
    def __init__(self, language: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("text", "start", "end", "mean_log_probability", "tokens", "words", "no_speech_probability", "compression_ratio", "temperature", "alternatives", "language")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    MEAN_LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    NO_SPEECH_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_RATIO_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    text: str
    start: float
    end: float
    mean_log_probability: float
    tokens: int
    words: _containers.RepeatedCompositeFieldContainer[Word]
    no_speech_probability: float
    compression_ratio: float
    temperature: float
    alternatives: _containers.RepeatedCompositeFieldContainer[Alternative]
    language: str
    def __init__(self, text: _Optional[str] = ..., start: _Optional[float] = ..., end: _Optional[float] = ..., mean_log_probability: _Optional[float] = ..., tokens: _Optional[int] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., no_speech_probability: _Optional[float] = ..., compression_ratio: _Optional[float] = ..., temperature: _Optional[float] = ..., alternatives: _Optional[_Iterable[_Union[Alternative, _Mapping]]] = ..., language: _Optional[str] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("text", "start", "end", "probability")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    text: str
    start: float
    end: float
    probability: float
    def __init__(self, text: _Optional[str] = ..., start: _Optional[float] = ..., end: _Optional[float] = ..., probability: _Optional[float] = ...) -> None: ...

class Alternative(_message.Message):
    __slots__ = ("text", "mean_log_probability", "tokens")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MEAN_LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    text: str
    mean_log_probability: float
    tokens: int
    def __init__(self, text: _Optional[str] = ..., mean_log_probability: _Optional[float] = ..., tokens: _Optional[int] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("decoded_seconds", "transcribed_seconds")
    DECODED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TRANSCRIBED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    decoded_seconds: float
    transcribed_seconds: float
    def __init__(self, decoded_seconds: _Optional[float] = ..., transcribed_seconds: _Optional[float] = ...) -> None: ...

class Interim(_message.Message):
    __slots__ = ("text", "stability", "audio_seconds")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STABILITY_FIELD_NUMBER: _ClassVar[int]
    AUDIO_SECONDS_FIELD_NUMBER: _ClassVar[int]
    text: str
    stability: float
    audio_seconds: float
    def __init__(self, text: _Optional[str] = ..., stability: _Optional[float] = ..., audio_seconds: _Optional[float] = ...) -> None: ...

class Final(_message.Message):
    __slots__ = ("segments", "language", "audio_seconds")
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_SECONDS_FIELD_NUMBER: _ClassVar[int]
    segments: _containers.RepeatedCompositeFieldContainer[Segment]
    language: Language
    audio_seconds: float
    def __init__(self, segments: _Optional[_Iterable[_Union[Segment, _Mapping]]] = ..., language: _Optional[_Union[Language, _Mapping]] = ..., audio_seconds: _Optional[float] = ...) -> None: ...

class Summary(_message.Message):
    __slots__ = ("audio_seconds", "segments", "model", "model_digest")
    AUDIO_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    audio_seconds: float
    segments: int
    model: str
    model_digest: str
    def __init__(self, audio_seconds: _Optional[float] = ..., segments: _Optional[int] = ..., model: _Optional[str] = ..., model_digest: _Optional[str] = ...) -> None: ...
