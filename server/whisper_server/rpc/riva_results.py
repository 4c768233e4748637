"""From what was said to Riva's messages."""

from collections.abc import Sequence
from typing import Any

from riva.client.proto import riva_asr_pb2

from whisper_server.engine.interface import Segment, Transcription, Word
from whisper_server.live.interface import Final, Interim, LiveUpdate
from whisper_server.rpc.riva_alternatives import Reading, readings

#: Riva counts channels from one; here all are mixed into it.
_CHANNEL_TAG = 1


def recognize_response(transcription: Transcription, audio_seconds: float, most: int) -> Any:
    """Return the RecognizeResponse: one result for the whole recording, with `most` alternatives; empty for silence."""
    result = riva_asr_pb2.SpeechRecognitionResult(
        alternatives=_alternatives(transcription.segments, transcription.language.language, most),
        channel_tag=_CHANNEL_TAG,
        audio_processed=audio_seconds,
    )
    return riva_asr_pb2.RecognizeResponse(results=[result])


def streaming_response(update: LiveUpdate, most: int) -> Any:
    """Return the StreamingRecognizeResponse for what is heard next: exactly one result."""
    result = final_result(update, most) if isinstance(update, Final) else interim_result(update)
    return riva_asr_pb2.StreamingRecognizeResponse(results=[result])


def interim_result(interim: Interim) -> Any:
    """Return the result of an utterance that goes on."""
    return riva_asr_pb2.StreamingRecognitionResult(
        alternatives=[riva_asr_pb2.SpeechRecognitionAlternative(transcript=interim.text)],
        is_final=False,
        stability=interim.stability,
        channel_tag=_CHANNEL_TAG,
        audio_processed=interim.audio_seconds,
    )


def final_result(final: Final, most: int) -> Any:
    """Return the result of an utterance that is over, with `most` alternatives."""
    return riva_asr_pb2.StreamingRecognitionResult(
        alternatives=_alternatives(final.segments, final.language.language, most),
        is_final=True,
        channel_tag=_CHANNEL_TAG,
        audio_processed=final.audio_seconds,
    )


def _alternatives(segments: Sequence[Segment], language: str, most: int) -> list[Any]:
    """Return the likeliest readings; only the first has words, as Riva has it."""
    languages = list(dict.fromkeys(segment.language for segment in segments)) or [language]
    found = [_alternative(reading, languages) for reading in readings(segments, most)]
    found[0].words.extend(_word(word, segment.language) for segment in segments for word in segment.words)
    return found


def _alternative(reading: Reading, languages: list[str]) -> Any:
    return riva_asr_pb2.SpeechRecognitionAlternative(
        transcript=reading.text, confidence=reading.confidence, language_code=languages
    )


def _word(word: Word, language: str) -> Any:
    return riva_asr_pb2.WordInfo(
        word=word.text.strip(),
        start_time=round(word.start * 1000),
        end_time=round(word.end * 1000),
        confidence=word.probability,
        language_code=language,
    )
