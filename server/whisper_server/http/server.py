"""The HTTP server: its addresses, its limits, its end."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from whisper_server.http.calls import Calls, Conversation, Handler
from whisper_server.operations.protocol_log import protocol_log

#: Bytes of a request's first line and of each of its headers, and how many of these there may be.
_LONGEST_LINE = 8_190
_MOST_HEADERS = 64
#: For what is left of a refused upload, so that its client reads why instead of failing to send.
_LINGER_SECONDS = 10.0
_HANDSHAKE_SECONDS = 10.0
#: Handlers have ended by then.
_CLEANUP_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """What answers requests to one address.

    Attributes:
        verb: of HTTP.
        path: as aiohttp's router takes it.
        method: name for log and metrics, the operation's in OpenAI's description of its API.
        handle: answers.
        public: whether everybody may ask, tokens or not.
    """

    verb: str
    path: str
    method: str
    handle: Handler
    public: bool = False


@dataclass(frozen=True, slots=True)
class Socket:
    """What speaks another protocol at one address, once a GET has been upgraded to it.

    Attributes:
        path: as aiohttp's router takes it.
        method: name for log and metrics.
        converse: speaks.
    """

    path: str
    method: str
    converse: Conversation


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen, and to how many.

    Attributes:
        host: address; empty for every interface.
        port: 0 for any free one.
        max_connections: at a time; one more is closed at once.
        keepalive_seconds: for a connection to send its next request, all of its headers included.
        share_port: whether another server may listen on the same port.
    """

    host: str
    port: int
    max_connections: int
    keepalive_seconds: float
    share_port: bool = False


class HttpServer:
    """Serves routes on one port."""

    def __init__(
        self,
        listening: Listening,
        routes: Sequence[Route],
        calls: Calls,
        tls: ssl.SSLContext | None = None,
        sockets: Sequence[Socket] = (),
    ) -> None:
        self._listening = listening
        self._tls = tls
        self._calls = calls
        application = web.Application(middlewares=[calls.unrouted])
        for route in routes:
            handler = calls.handler(route.method, route.handle, public=route.public)
            application.router.add_route(route.verb, route.path, handler, expect_handler=_not_yet)
        for socket in sockets:
            application.router.add_route("GET", socket.path, calls.conversation(socket.method, socket.converse))
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=protocol_log(),
            # A client that hangs up ends its work at once.
            handler_cancellation=True,
            # Compressed bodies are refused: a few bytes can be made to hold gigabytes.
            auto_decompress=False,
            keepalive_timeout=listening.keepalive_seconds,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            max_headers=_MOST_HEADERS,
            lingering_time=_LINGER_SECONDS,
            shutdown_timeout=_CLEANUP_SECONDS,
        )
        self._listener: asyncio.Server | None = None

    async def start(self) -> int:
        """Serve, and return the port in use; OSError when it is taken."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._connect,
            self._listening.host or None,
            self._listening.port,
            reuse_port=self._listening.share_port or None,
            ssl=self._tls,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS if self._tls else None,
        )
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    def _connect(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None or len(server.connections) >= self._listening.max_connections:
            return _Refusal()
        return server()

    def announce_end(self) -> None:
        """Have clients connect anew for their next request, elsewhere; requests are still taken."""
        self._calls.ending = True

    async def stop(self, grace_seconds: float) -> None:
        """Take no more connections, and give requests in flight the time to finish."""
        self._calls.ending = True
        if self._listener is not None:
            self._listener.close()
        # The runner's own way of waiting reads no more of uploads that are under way.
        await self._calls.finish(grace_seconds)
        await self._runner.cleanup()


async def _not_yet(_: web.Request) -> None:
    """Leave a client that asks whether to send its body without an answer until the body is wanted."""


class _Refusal(asyncio.Protocol):
    """Closes a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        log.warning("a connection was closed: as many are open as may be")
        with contextlib.suppress(OSError):
            transport.close()
