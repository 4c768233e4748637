"""Sending speech as fast as it is spoken, and showing utterances while they are."""

from collections.abc import Iterator

from whisper_server.api import transcription_pb2 as pb
from whisper_server.client.connection import Call, Connection
from whisper_server.client.outgoing import Outgoing
from whisper_server.client.screen import Screen
from whisper_server.client.sources import Source
from whisper_server.client.uploads import OpenDocument
from whisper_server.cues.atoms import printable
from whisper_server.cues.writers import Format, writer_of


class LiveStream:
    """One stream of speech.

    Args:
        source: where it comes from.
        config: how it is listened to.
        form: what is written of it.
        open_document: where to.
        screen: where the running utterance is shown.
    """

    def __init__(
        self,
        source: Source,
        config: pb.StreamTranscribeConfig,
        form: Format,
        open_document: OpenDocument,
        screen: Screen,
    ) -> None:
        self._source = source
        self._config = config
        self._form = form
        self._open_document = open_document
        self._screen = screen
        self._final = False

    def run(self, connection: Connection) -> None:
        """Listen to it until its end; ClientError when that fails for good."""
        try:
            connection.attempt(self._once, lambda: not self._final)
        finally:
            self._screen.clear()

    def _once(self, call: Call) -> None:
        audio = self._config.audio_format
        chunks = self._source.paced(audio.sample_rate_hertz or None, audio.channels or 1)
        outgoing = Outgoing(pb.StreamTranscribeRequest(config=self._config), pb.StreamTranscribeRequest, chunks)
        told = Utterances(self._form)
        with self._open_document() as document:
            try:
                for response in outgoing.responses(call.stub.StreamTranscribe, call.options):
                    if response.HasField("interim"):
                        self._screen.interim(response.interim.text)
                        continue
                    self._screen.clear()
                    for text in told.pieces(response):
                        document.write(text)
            finally:
                self._final = document.seen or (self._source.is_stdin and outgoing.sent > 0)


class Utterances:
    """Writes utterances as they end: as text a line each, else as a document of their segments."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._writer = writer_of(form)
        self._begun = False

    def pieces(self, response: pb.StreamTranscribeResponse) -> Iterator[str]:
        """Yield what a final or the summary adds."""
        if not self._begun:
            self._begun = True
            yield self._writer.begin(response.final.language)
        if response.HasField("summary"):
            yield self._writer.finish(response.summary.audio_seconds)
        elif self._form is Format.TXT:
            text = printable("".join(segment.text for segment in response.final.segments)).strip()
            yield f"{text}\n" if text else ""
        else:
            yield from map(self._writer.write, response.final.segments)
