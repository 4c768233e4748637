"""From a transcription to Riva's messages."""

import math
from collections.abc import Sequence
from typing import Any

from riva.client.proto import riva_asr_pb2

from whisper_server.engine.interface import Segment, Word
from whisper_server.transcriber import Outcome

#: Riva counts channels from one; here all are mixed into it.
_CHANNEL_TAG = 1


def recognize_response(outcome: Outcome) -> Any:
    """Return the RecognizeResponse: one result for the whole recording, empty for silence."""
    transcription = outcome.transcription
    language = transcription.language.language
    alternative = riva_asr_pb2.SpeechRecognitionAlternative(
        transcript="".join(segment.text for segment in transcription.segments),
        confidence=confidence(transcription.segments),
        words=[_word(word, language) for segment in transcription.segments for word in segment.words],
        language_code=[language],
    )
    result = riva_asr_pb2.SpeechRecognitionResult(
        alternatives=[alternative], channel_tag=_CHANNEL_TAG, audio_processed=outcome.audio_seconds
    )
    return riva_asr_pb2.RecognizeResponse(results=[result])


def confidence(segments: Sequence[Segment]) -> float:
    """Return the geometric mean of the tokens' probabilities; 0 when nothing was said."""
    tokens = sum(segment.tokens for segment in segments)
    if tokens == 0:
        return 0.0
    return math.exp(sum(segment.mean_log_probability * segment.tokens for segment in segments) / tokens)


def _word(word: Word, language: str) -> Any:
    return riva_asr_pb2.WordInfo(
        word=word.text.strip(),
        start_time=round(word.start * 1000),
        end_time=round(word.end * 1000),
        confidence=word.probability,
        language_code=language,
    )
