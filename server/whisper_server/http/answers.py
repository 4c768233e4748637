"""From a transcription to the bodies that OpenAI documents."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from whisper_server.engine.interface import Segment
from whisper_server.engine.options import Task
from whisper_server.languages import language_name
from whisper_server.transcriber import Outcome

_JSON = "application/json"
#: Whisper counts where a window began in frames of 10 ms.
_SEEK_PER_SECOND = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back.

    Attributes:
        status: HTTP's.
        content_type: of the body.
        body: all of it.
        headers: beside those of the body.
    """

    status: int
    content_type: str
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(document: Any, status: int = 200) -> Answer:
    """Return `document` as an answer."""
    return Answer(status, _JSON, json.dumps(document, ensure_ascii=False, allow_nan=False).encode())


def brief(outcome: Outcome) -> dict[str, Any]:
    """Return what `response_format` json asks for."""
    return {"text": text_of(outcome), "usage": _usage(outcome)}


def verbose(outcome: Outcome, task: Task, *, segments: bool, words: bool) -> dict[str, Any]:
    """Return what `response_format` verbose_json asks for, with times of `segments`, of `words`, or of both."""
    transcription = outcome.transcription
    document: dict[str, Any] = {
        "task": task,
        "language": "english" if task is Task.TRANSLATE else language_name(transcription.language.language),
        "duration": round(outcome.audio_seconds, 3),
        "text": text_of(outcome),
        "usage": _usage(outcome),
    }
    if segments:
        document["segments"] = [_segment(number, segment) for number, segment in enumerate(transcription.segments)]
    if words:
        document["words"] = _words(transcription.segments)
    return document


def text_of(outcome: Outcome) -> str:
    """Return all that was said, in one line."""
    return "".join(segment.text for segment in outcome.transcription.segments).strip()


def _usage(outcome: Outcome) -> dict[str, Any]:
    return {"type": "duration", "seconds": round(outcome.audio_seconds, 3)}


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    return {
        "id": number,
        "seek": round(segment.start * _SEEK_PER_SECOND),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        # Clients want the list; which ids a model has for its text is of use to nobody without the model.
        "tokens": [],
        "temperature": segment.temperature,
        "avg_logprob": segment.mean_log_probability,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_probability,
    }


def _words(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    return [
        {"word": word.text.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
        for segment in segments
        for word in segment.words
    ]
