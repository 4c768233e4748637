"""The page's conversation with the server: audio one way, what is said in it the other, while it still comes.

It takes a WebSocket: no request of a browser is answered before all of it has been sent. What a browser cannot do there
is send a token in a header, or read why an upgrade was refused; so the token is in the first message, and errors are
messages, in the shape of those over HTTP.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

from whisper_server.errors import ExpiredError, InvalidRequestError, RequestError
from whisper_server.http.answers import Answer
from whisper_server.http.calls import Calls, Record
from whisper_server.http.errors import ForeignPageError, defect, refusal
from whisper_server.http.page.messages import END, Document, Teller, Wish, progress, read_object, read_wish, the_end
from whisper_server.live.interface import LiveOptions
from whisper_server.operations.logs import request_id
from whisper_server.pacing import with_pauses
from whisper_server.patience import Patience, until
from whisper_server.served_model import ServedModel
from whisper_server.transcriber import Hearing, Job, Transcriber

_U = TypeVar("_U")

#: Of one message: the page sends audio in pieces of 64 KiB at most.
MAX_MESSAGE_BYTES = 256 * 1024
#: Until the first message, while nobody knows who it is.
_FIRST_SECONDS = 10.0
#: For the page to agree that all is said.
_CLOSE_SECONDS = 5.0
#: How often the page hears something, so that it can show progress, and nothing between takes the line for dead.
_PROGRESS_SECONDS = 1.0

log = logging.getLogger(__name__)


class Talk:
    """Listens to the page."""

    def __init__(self, transcriber: Transcriber, model: ServedModel, patience: Patience, calls: Calls) -> None:
        self._transcriber = transcriber
        self._model = model
        self._patience = patience
        self._calls = calls

    async def converse(self, request: web.Request, record: Record) -> web.StreamResponse:
        """Upgrade a request, and write down all that is said in its audio.

        Raises:
            ForeignPageError: when it comes from a page of another site.
            InvalidRequestError: when it is no WebSocket's.
        """
        _check_origin(request)
        socket = web.WebSocketResponse(
            max_msg_size=MAX_MESSAGE_BYTES, compress=False, timeout=_CLOSE_SECONDS, autoclose=False
        )
        if not socket.can_prepare(request):
            raise InvalidRequestError("this address takes the WebSocket of the page at / only")
        await socket.prepare(request)
        line = _Line(socket, self._patience.write)
        try:
            await self._answer(line, record)
        except (ConnectionError, _NotReadError) as error:
            record.trouble = str(error) or "the connection broke"
            _cut(request)
        await socket.close()
        return socket

    async def _answer(self, line: "_Line", record: Record) -> None:
        """Say what is heard, or why it is not."""
        try:
            asked = await line.first()
            token = asked.get("token")
            self._calls.identify(f"Bearer {token}" if token else None)
            await _while_there(line, self._say(line, read_wish(asked, self._model)))
            record.code = "200"
        except RequestError as error:
            record.trouble = str(error)
            await self._fail(line, record, refusal(error))
        except ConnectionError:
            raise
        except Exception:
            log.exception("a conversation with the page failed")
            await self._fail(line, record, defect(request_id.get()))

    async def _fail(self, line: "_Line", record: Record, answer: Answer) -> None:
        record.code = str(answer.status)
        await line.send(json.loads(answer.body))

    async def _say(self, line: "_Line", wish: Wish) -> None:
        async with contextlib.aclosing(self._patience.reading(line.audio())) as chunks:
            if wish.live:
                await self._listen(line, wish, chunks)
            else:
                await self._transcribe(line, wish, chunks)

    async def _transcribe(self, line: "_Line", wish: Wish, chunks: AsyncIterator[bytes]) -> None:
        deadline = self._patience.deadline()
        job = Job(chunks, wish.hint, wish.instructions, deadline)
        async with until(deadline), self._transcriber.transcribing(job) as hearing:
            await _tell(line, hearing, Teller().tell)

    async def _listen(self, line: "_Line", wish: Wish, chunks: AsyncIterator[bytes]) -> None:
        job = Job(chunks, wish.hint, wish.instructions)
        async with self._transcriber.listening(job, LiveOptions(interim_results=True)) as hearing:
            await _tell(line, hearing, Teller().tell_live)


async def _tell(line: "_Line", hearing: Hearing[_U], told: Callable[[_U], list[Document]]) -> None:
    """Send what is `told` of all that is heard, and how far that has come."""
    async with contextlib.aclosing(with_pauses(hearing.updates, _PROGRESS_SECONDS)) as updates:
        async for update in updates:
            for document in [] if update is None else told(update):
                await line.send(document)
            await line.send(progress(hearing.audio_seconds))
    await line.send(the_end(hearing.audio_seconds))


class _NotReadError(Exception):
    """The page does not read what it is told."""


class _Line:
    """The messages of one WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, write_seconds: float) -> None:
        self._socket = socket
        self._write_seconds = write_seconds
        self._all_sent = asyncio.Event()

    async def send(self, document: Document) -> None:
        """Send a message; _NotReadError when it is not taken in time."""
        try:
            async with asyncio.timeout(self._write_seconds):
                await self._socket.send_str(json.dumps(document, ensure_ascii=False, allow_nan=False))
        except TimeoutError:
            raise _NotReadError(f"the page did not read for {self._write_seconds:g} s") from None

    async def first(self) -> Document:
        """Return what the page asks for."""
        try:
            async with asyncio.timeout(_FIRST_SECONDS):
                message = await self._receive()
        except TimeoutError:
            raise ExpiredError(f"the page asked for nothing in {_FIRST_SECONDS:g} s") from None
        return read_object(message if isinstance(message, str) else "")

    async def audio(self) -> AsyncGenerator[bytes, None]:
        """Yield the audio that follows, to its end; ConnectionError when the page goes before that."""
        while (message := await self._receive()) != END:
            if isinstance(message, str):
                raise InvalidRequestError(f"after the first message comes audio, and then the text {END!r}")
            yield message
        self._all_sent.set()

    async def departure(self) -> None:
        """Wait for the page to go while the last of its audio is worked on; ConnectionError when it does.

        Before that it is seen in what is read. A browser that closes waits for an answer, and so closes nothing itself.
        """
        await self._all_sent.wait()
        await self._receive()
        raise InvalidRequestError(f"nothing comes after the text {END!r}")

    async def _receive(self) -> str | bytes:
        message = await self._socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            data: str | bytes = message.data
            return data
        raise ConnectionResetError("the page was closed, or left, before all was said")


async def _while_there(line: _Line, work: Coroutine[Any, Any, None]) -> None:
    """Do `work` for as long as the page is there."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(line.departure())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        await (working if working.done() else leaving)
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


def _check_origin(request: web.Request) -> None:
    """Refuse pages of other sites: browsers let every page open a WebSocket to everywhere.

    Schemes are not compared: what speaks TLS may be a proxy before this server.
    """
    if urlsplit(request.headers.get("Origin", "")).netloc.lower() != request.host.lower():
        raise ForeignPageError(
            "only the page of this server may open this connection; a proxy before it must pass on the Host header"
        )


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
