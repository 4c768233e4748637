"""What every request has in common: its id, its line in the log, its metrics, who sends it, and how it is answered."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import web

from whisper_server.errors import RequestError
from whisper_server.http.answers import Answer
from whisper_server.http.errors import defect, error_answer, refusal
from whisper_server.operations.accounting import REQUEST_ID_KEY, choose_request_id, record_request
from whisper_server.operations.logs import caller_name, request_id
from whisper_server.operations.metrics import Metrics

#: Of requests whose client hung up, or did not read its answer: the code that web servers' logs have for it.
_GONE = "499"
#: Label of requests for which there is no route; their paths are any that somebody may think of.
_NO_METHOD = "unknown"
_CHUNK_BYTES = 64 * 1024
_SERVER = "whisper-server"

#: Answers one request, or raises a RequestError.
Handler = Callable[[web.Request], Awaitable[Answer]]
#: What a web server calls for a request.
_Answered = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: Returns the name of who sends an Authorization header; UnauthenticatedError when it brings no token that is known.
Authenticate = Callable[[str | None], str]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Record:
    """What is told of a request once it has ended.

    Attributes:
        code: its status; that of a client that hung up until another one is known.
        trouble: the sentence of its failure, else empty.
    """

    code: str = _GONE
    trouble: str = ""


#: Upgrades a request to another protocol, and writes down what came of it; raises a RequestError before that.
Conversation = Callable[[web.Request, Record], Awaitable[web.StreamResponse]]


class Calls:
    """Answers requests.

    Attributes:
        ending: set when the server is about to end: clients are then asked to connect anew, elsewhere.
    """

    def __init__(
        self,
        metrics: Metrics,
        write_seconds: float,
        max_connection_seconds: float,
        authenticate: Authenticate | None = None,
    ) -> None:
        """Answer requests.

        Args:
            metrics: where they are counted.
            write_seconds: for clients to take in each piece of an answer.
            max_connection_seconds: age at which clients are asked to connect anew; 0 for never.
            authenticate: tells who may ask; None for everybody.
        """
        self._metrics = metrics
        self._write_seconds = write_seconds
        self._max_connection_seconds = max_connection_seconds
        #: When the first request of each connection was answered.
        self._known_since: WeakKeyDictionary[asyncio.Transport, float] = WeakKeyDictionary()
        self._authenticate = authenticate
        self._tasks: set[asyncio.Task[Any]] = set()
        self.ending = False

    def handler(self, method: str, handle: Handler, *, public: bool = False) -> _Answered:
        """Return what a web server calls for the requests of `method`, a name for log and metrics.

        Args:
            method: the name.
            handle: answers them.
            public: whether everybody may ask, of which the log tells in its debug level alone.
        """

        async def answered(request: web.Request) -> web.StreamResponse:
            return await self._answer(method, request, handle, public=public)

        return answered

    def conversation(self, method: str, converse: Conversation) -> _Answered:
        """Return what a web server calls for the conversations of `method`, which find out by themselves who asks."""

        async def answered(request: web.Request) -> web.StreamResponse:
            with self._recorded(method, request) as record:
                try:
                    return await converse(request, record)
                except RequestError as error:
                    record.trouble = str(error)
                    return await self._send(request, refusal(error), record)

        return answered

    def identify(self, authorization: str | None) -> None:
        """Know from an Authorization header who asks; UnauthenticatedError when it brings no token that is known."""
        if self._authenticate is not None:
            caller_name.set(self._authenticate(authorization))

    @web.middleware
    async def unrouted(self, request: web.Request, handler: _Answered) -> web.StreamResponse:
        """Answer requests for which there is no route as the others are."""
        if request.match_info.http_exception is None:
            return await handler(request)
        return await self._answer(_NO_METHOD, request, _no_route)

    async def _answer(
        self, method: str, request: web.Request, handle: Handler, *, public: bool = False
    ) -> web.StreamResponse:
        with self._recorded(method, request, level=logging.DEBUG if public else logging.INFO) as record:
            try:
                if not public:
                    self.identify(request.headers.get("Authorization"))
                answer = await handle(request)
            except RequestError as error:
                record.trouble = str(error)
                answer = refusal(error)
            except Exception:
                log.exception("%s failed", method)
                answer = defect(request_id.get())
            return await self._send(request, answer, record)

    @contextlib.contextmanager
    def _recorded(self, method: str, request: web.Request, level: int = logging.INFO) -> Iterator[Record]:
        """Give a request its id, and tell of it when it has ended: a failure however low its `level` in the log is."""
        began, record = time.monotonic(), Record()
        request_id.set(choose_request_id(request.headers.get(REQUEST_ID_KEY)))
        with self._counted():
            try:
                yield record
            finally:
                seconds = time.monotonic() - began
                level = logging.INFO if record.trouble else level
                record_request(self._metrics, method, record.code, record.trouble, seconds, level)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("web servers handle requests in tasks")
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def finish(self, grace_seconds: float) -> None:
        """Give requests in flight the time to finish, and give up those that do not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        for task in self._tasks:
            task.cancel()

    async def _send(self, request: web.Request, answer: Answer, record: Record) -> web.StreamResponse:
        answer.headers[REQUEST_ID_KEY] = request_id.get()
        response = web.StreamResponse(status=answer.status, headers={**answer.headers, "Server": _SERVER})
        response.content_type = answer.content_type
        if answer.content_type.startswith("text/"):
            response.charset = "utf-8"
        response.content_length = len(answer.body)
        if self.ending or self._is_old(request) or not request.content.is_eof():
            response.force_close()
        try:
            await self._write(request, response, b"" if request.method == "HEAD" else answer.body)
            record.code = str(answer.status)
        except TimeoutError:
            record.trouble = f"the client did not read its answer for {self._write_seconds:g} s"
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            record.trouble = "the client hung up before it had its answer"
        return response

    def _is_old(self, request: web.Request) -> bool:
        """Tell whether a connection has lasted: one that is kept stays with one replica, however many there are."""
        if request.transport is None or not self._max_connection_seconds:
            return False
        now = time.monotonic()
        return now - self._known_since.setdefault(request.transport, now) >= self._max_connection_seconds

    async def _write(self, request: web.Request, response: web.StreamResponse, body: bytes) -> None:
        """Send the answer, and wait until the system has taken all of it: an idle connection holds no answer."""
        if request.transport is not None:
            request.transport.set_write_buffer_limits(0)
        await response.prepare(request)
        for start in range(0, len(body), _CHUNK_BYTES):
            async with asyncio.timeout(self._write_seconds):
                await response.write(body[start : start + _CHUNK_BYTES])
                await request.writer.drain()
        await response.write_eof()


async def _no_route(request: web.Request) -> Answer:
    trouble = request.match_info.http_exception
    if isinstance(trouble, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(trouble.allowed_methods))
        answer = error_answer(405, f"this address takes {allowed} only")
        answer.headers["Allow"] = allowed
        return answer
    return error_answer(
        404,
        "nothing is at this address: there are /v1/audio/transcriptions, /v1/audio/translations and /v1/models",
        code="unknown_url",
    )
