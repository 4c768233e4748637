"""What the page and the server say to one another, beside the audio."""

import json
from dataclasses import dataclass
from typing import Any

from whisper_server.audio.formats import AudioHint, Encoding
from whisper_server.cues.sentences import sentences_of
from whisper_server.cues.writers import Format, writer_of
from whisper_server.engine.interface import LanguageFound, Segment, Update
from whisper_server.engine.options import DecodingOptions, Instructions, Task
from whisper_server.errors import InvalidRequestError
from whisper_server.languages import language_name, whisper_language
from whisper_server.live.interface import Interim, LiveUpdate
from whisper_server.served_model import ServedModel

Document = dict[str, Any]

#: The text that follows the last audio.
END = "end"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a conversation begins with.

    Attributes:
        live: whether somebody speaks, or a recording is sent.
        hint: what the audio is.
        instructions: what to do with it.
    """

    live: bool
    hint: AudioHint
    instructions: Instructions


def read_object(text: str) -> Document:
    """Return the first message's object; InvalidRequestError when it is none."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InvalidRequestError("the first message must be a JSON object")
    return document


def read_wish(document: Document, model: ServedModel) -> Wish:
    """Return what the page asks for.

    Raises:
        InvalidRequestError: when it cannot be what the page sends, or the model knows no such language.
    """
    live = document.get("audio") == "speech"
    task = Task.TRANSLATE if document.get("task") == Task.TRANSLATE else Task.TRANSCRIBE
    model.check_task(task)
    instructions = Instructions(
        language=whisper_language(str(document.get("language", "")), model.languages),
        task=task,
        word_times=model.times_words,
        # Sentences are found by the times of their words; a model that cannot tell these says where segments are.
        decoding=DecodingOptions(timestamps=not model.times_words),
    )
    return Wish(live, _samples(document.get("sampleRate")) if live else AudioHint(), instructions)


def _samples(rate: object) -> AudioHint:
    if not isinstance(rate, int):
        raise InvalidRequestError("sampleRate: it must be the whole number of samples a second")
    return AudioHint(Encoding.LINEAR_PCM, rate, 1)


class Teller:
    """Says what is heard, and writes its captions along."""

    def __init__(self) -> None:
        self._captions = writer_of(Format.SRT)
        self._language: LanguageFound | None = None

    def tell(self, update: Update) -> list[Document]:
        """Return what tells a recording's language or segment."""
        return [self._tell_language(update) if isinstance(update, LanguageFound) else self._tell_segment(update)]

    def tell_live(self, update: LiveUpdate) -> list[Document]:
        """Return what tells an utterance so far, or at its end, when nothing of it is in the balance any more."""
        if isinstance(update, Interim):
            return [_interim(update.text)]
        languages = [self._tell_language(update.language)] if update.segments else []
        return [_interim(""), *languages, *map(self._tell_segment, update.segments)]

    def _tell_language(self, found: LanguageFound) -> Document:
        return {"type": "language", "code": found.language, "name": language_name(found.language).title()}

    def _tell_segment(self, segment: Segment) -> Document:
        return {
            "type": "segment",
            "language": segment.language,
            "sentences": [
                {"text": sentence.text, "start": round(sentence.start, 3), "end": round(sentence.end, 3)}
                for sentence in sentences_of(segment)
            ],
            "srt": self._captions.write(segment),
        }


def _interim(text: str) -> Document:
    return {"type": "interim", "text": text.strip()}


def progress(seconds: float) -> Document:
    """Return how much of the audio has been heard."""
    return {"type": "progress", "seconds": round(seconds, 3)}


def the_end(audio_seconds: float) -> Document:
    """Return that all has been said."""
    return {"type": "end", "seconds": round(audio_seconds, 3)}
