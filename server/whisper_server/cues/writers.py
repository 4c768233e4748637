"""Writing segments as they come: text, SRT (SubRip), WebVTT (https://www.w3.org/TR/webvtt1/) and JSON."""

import json
from abc import abstractmethod
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol

from whisper_server.cues.atoms import atoms_of, milliseconds, printable
from whisper_server.cues.breaking import CUE_MILLISECONDS, Cue, cues_of
from whisper_server.cues.spoken import SpokenLanguage, SpokenSegment, SpokenWord


class Format(StrEnum):
    """How a transcription is written out; also the ending of such a file's name."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"


class Writer(Protocol):
    """Writes one transcription; what the three return, one after the other, is the document."""

    def begin(self, language: SpokenLanguage) -> str:
        """Return how it begins."""

    def write(self, segment: SpokenSegment) -> str:
        """Return the next segment; they come in order of time."""

    def finish(self, audio_seconds: float) -> str:
        """Return how it ends."""


class TxtWriter(Writer):
    """A line for each segment."""

    def begin(self, language: SpokenLanguage) -> str:  # noqa: ARG002
        return ""

    def write(self, segment: SpokenSegment) -> str:
        text = printable(segment.text).strip()
        return f"{text}\n" if text else ""

    def finish(self, audio_seconds: float) -> str:  # noqa: ARG002
        return ""


class _CueWriter(Writer):
    """Writes cues, and keeps them from overlapping, however the times of their segments do."""

    def __init__(self) -> None:
        self._now = 0
        self._count = 0

    def begin(self, language: SpokenLanguage) -> str:  # noqa: ARG002
        return ""

    def write(self, segment: SpokenSegment) -> str:
        return "".join(self._place(cue) for cue in cues_of(atoms_of(segment)))

    def finish(self, audio_seconds: float) -> str:  # noqa: ARG002
        return ""

    def _place(self, cue: Cue) -> str:
        start = max(cue.start, self._now)
        self._now = min(max(cue.end, start + 1), start + CUE_MILLISECONDS)
        self._count += 1
        return self._format(self._count, Cue(start, self._now, cue.lines))

    @abstractmethod
    def _format(self, number: int, cue: Cue) -> str:
        """Return a cue with the empty line behind it."""


class SrtWriter(_CueWriter):
    """Numbered cues."""

    def _format(self, number: int, cue: Cue) -> str:
        # There is no way to escape what looks like a line of times.
        text = "\n".join(cue.lines).replace("-->", "->")
        return f"{number}\n{clock_time(cue.start, ',')} --> {clock_time(cue.end, ',')}\n{text}\n\n"


class VttWriter(_CueWriter):
    """Cues without names."""

    def begin(self, language: SpokenLanguage) -> str:  # noqa: ARG002
        return "WEBVTT\n\n"

    def _format(self, number: int, cue: Cue) -> str:  # noqa: ARG002
        text = "\n".join(cue.lines).translate(_VTT_ESCAPES)
        return f"{clock_time(cue.start, '.')} --> {clock_time(cue.end, '.')}\n{text}\n\n"


#: `>` too, so that no text can hold `-->`.
_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class JsonWriter(Writer):
    """One object, as `transcription.schema.json` beside this file says; its length comes last, once it is known."""

    def __init__(self) -> None:
        self._separator = ""

    def begin(self, language: SpokenLanguage) -> str:
        head = {"language": language.language, "language_probability": round(language.probability, 4)}
        return f'{_json(head)[:-1]}, "segments": ['

    def write(self, segment: SpokenSegment) -> str:
        separator, self._separator = self._separator, ","
        return f"{separator}\n{_json(_segment(segment))}"

    def finish(self, audio_seconds: float) -> str:
        return f'\n], "duration": {_seconds(audio_seconds)}}}\n'


def _segment(segment: SpokenSegment) -> dict[str, Any]:
    return {
        "start": _seconds(segment.start),
        "end": _seconds(segment.end),
        "text": segment.text,
        "language": segment.language,
        "mean_log_probability": round(segment.mean_log_probability, 4),
        "no_speech_probability": round(segment.no_speech_probability, 4),
        "compression_ratio": round(segment.compression_ratio, 4),
        "temperature": round(segment.temperature, 4),
        "words": [_word(word) for word in segment.words],
    }


def _word(word: SpokenWord) -> dict[str, Any]:
    return {
        "start": _seconds(word.start),
        "end": _seconds(word.end),
        "text": word.text,
        "probability": round(word.probability, 4),
    }


def _seconds(seconds: float) -> float:
    return milliseconds(seconds) / 1000


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def clock_time(time: int, point: str) -> str:
    """Return milliseconds as hours, minutes, seconds and, behind `point`, thousandths."""
    seconds, thousandths = divmod(time, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{thousandths:03}"


_WRITERS: dict[Format, Callable[[], Writer]] = {
    Format.TXT: TxtWriter,
    Format.SRT: SrtWriter,
    Format.VTT: VttWriter,
    Format.JSON: JsonWriter,
}


def writer_of(form: Format) -> Writer:
    """Return a new writer of `form`."""
    return _WRITERS[form]()
