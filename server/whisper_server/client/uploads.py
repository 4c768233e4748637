"""Sending a recording as fast as the server takes it, and showing what comes back."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from whisper_server.api import transcription_pb2 as pb
from whisper_server.client.connection import Call, Connection
from whisper_server.client.documents import Document
from whisper_server.client.outgoing import Outgoing
from whisper_server.client.screen import Screen
from whisper_server.client.sources import Source
from whisper_server.cues.atoms import printable

#: Makes the place for a recording's text; entered anew with each try.
OpenDocument = Callable[[], AbstractContextManager[Document]]


class Upload:
    """One recording on its way."""

    def __init__(
        self, source: Source, config: pb.TranscribeConfig, open_document: OpenDocument, screen: Screen
    ) -> None:
        self._source = source
        self._config = config
        self._open_document = open_document
        self._screen = screen
        self._size = source.size
        self._final = False

    def run(self, connection: Connection) -> None:
        """Transcribe it; ClientError when that fails for good."""
        self._screen.begin(self._source.name)
        try:
            connection.attempt(self._once, lambda: not self._final)
        finally:
            self._screen.end()

    def _once(self, call: Call) -> None:
        first = pb.TranscribeRequest(config=self._config)
        outgoing = Outgoing(first, pb.TranscribeRequest, self._source.chunks())
        with self._open_document() as document:
            try:
                for response in outgoing.responses(call.stub.Transcribe, call.options):
                    self._show(response, outgoing.sent)
                    for text in pieces(response):
                        self._screen.clear()
                        document.write(text)
            finally:
                self._final = document.seen or (self._source.is_stdin and outgoing.sent > 0)

    def _show(self, response: pb.TranscribeResponse, sent: int) -> None:
        if response.HasField("progress"):
            self._screen.progress(*progress_of(response.progress, sent, self._size))


def pieces(response: pb.TranscribeResponse) -> Iterator[str]:
    """Yield what a response adds to the document: text as it is, and of a segment a line for each word."""
    if response.HasField("text"):
        yield response.text
    for word in response.segment.words:
        yield f"{word.start:.3f}\t{word.end:.3f}\t{word.probability:.3f}\t{printable(word.text).strip()}\n"


def progress_of(progress: pb.Progress, sent: int, size: int | None) -> tuple[float, str]:
    """Return the share of the work that is done, and words about it.

    How long the recording is shows once all of it is sent; before, what was decoded of the bytes sent tells.
    """
    whole = progress.decoded_seconds * size / sent if size and sent else 0.0
    share = progress.transcribed_seconds / whole if whole else 0.0
    sent_share = f"{100 * sent / size:.0f}% sent, " if size else ""
    return share, f"{sent_share}{clock(progress.transcribed_seconds)} of {clock(progress.decoded_seconds)}"


def clock(seconds: float) -> str:
    """Return minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
