"""From what the engine says to the messages of whisper.v1."""

from collections.abc import Iterator

from whisper_contract.digest import format_digest
from whisper_server.api import transcription_pb2 as pb
from whisper_server.cues.writers import Format, writer_of
from whisper_server.engine.interface import LanguageFound, Segment, Update
from whisper_server.live.interface import Interim, LiveUpdate
from whisper_server.served_model import ServedModel


def language_message(found: LanguageFound) -> pb.Language:
    """Return a language with all that it was told from."""
    return pb.Language(
        language=found.language,
        probability=found.probability,
        probabilities=[pb.LanguageProbability(language=code, probability=share) for code, share in found.probabilities],
    )


def segment_message(segment: Segment) -> pb.Segment:
    """Return a segment, with its words and further hypotheses."""
    return pb.Segment(
        text=segment.text,
        start=segment.start,
        end=segment.end,
        mean_log_probability=segment.mean_log_probability,
        tokens=segment.tokens,
        words=[
            pb.Word(text=word.text, start=word.start, end=word.end, probability=word.probability)
            for word in segment.words
        ],
        no_speech_probability=segment.no_speech_probability,
        compression_ratio=segment.compression_ratio,
        temperature=segment.temperature,
        alternatives=[
            pb.Alternative(text=other.text, mean_log_probability=other.mean_log_probability, tokens=other.tokens)
            for other in segment.alternatives
        ],
        language=segment.language,
    )


def live_message(update: LiveUpdate) -> pb.StreamTranscribeResponse:
    """Return an utterance so far, or at its end."""
    if isinstance(update, Interim):
        interim = pb.Interim(text=update.text, stability=update.stability, audio_seconds=update.audio_seconds)
        return pb.StreamTranscribeResponse(interim=interim)
    final = pb.Final(
        segments=map(segment_message, update.segments),
        language=language_message(update.language),
        audio_seconds=update.audio_seconds,
    )
    return pb.StreamTranscribeResponse(final=final)


class Answers:
    """Makes the messages of one call of Transcribe: segments, or the pieces of a document."""

    def __init__(self, form: Format | None, model: ServedModel) -> None:
        self._writer = None if form is None else writer_of(form)
        self._model = model
        self._segments = 0
        self._progress = pb.Progress()

    def tell(self, update: Update) -> Iterator[pb.TranscribeResponse]:
        """Yield what tells `update`."""
        if isinstance(update, LanguageFound):
            yield pb.TranscribeResponse(language=language_message(update))
            if self._writer is not None:
                yield from _piece(self._writer.begin(update))
        else:
            self._segments += 1
            yield from self._say(update)

    def progress(self, decoded_seconds: float, transcribed_seconds: float) -> Iterator[pb.TranscribeResponse]:
        """Yield how far the work has come, unless that is known."""
        progress = pb.Progress(decoded_seconds=decoded_seconds, transcribed_seconds=transcribed_seconds)
        if progress != self._progress:
            self._progress = progress
            yield pb.TranscribeResponse(progress=progress)

    def finish(self, audio_seconds: float) -> Iterator[pb.TranscribeResponse]:
        """Yield what is left to tell, and the summary."""
        if self._writer is not None:
            yield from _piece(self._writer.finish(audio_seconds))
        yield pb.TranscribeResponse(summary=summary_message(self._model, audio_seconds, self._segments))

    def _say(self, segment: Segment) -> Iterator[pb.TranscribeResponse]:
        if self._writer is None:
            yield pb.TranscribeResponse(segment=segment_message(segment))
        else:
            yield from _piece(self._writer.write(segment))


def summary_message(model: ServedModel, audio_seconds: float, segments: int) -> pb.Summary:
    """Return what is told at the end."""
    return pb.Summary(
        audio_seconds=audio_seconds,
        segments=segments,
        model=model.names[0],
        model_digest=format_digest(model.digest),
    )


def _piece(text: str) -> Iterator[pb.TranscribeResponse]:
    if text:
        yield pb.TranscribeResponse(text=text)
