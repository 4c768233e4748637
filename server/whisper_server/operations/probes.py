"""The plain HTTP port for kubelet and Prometheus: /health/… and /metrics. It never has TLS.

It answers from a thread of its own: in the loop of calls a probe would wait behind what 64 callers want done there.
"""

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from whisper_server.operations.lifecycle import Lifecycle
from whisper_server.operations.metrics import CONTENT_TYPE, Metrics
from whisper_server.operations.protocol_log import protocol_log


def probe_application(lifecycle: Lifecycle, metrics: Metrics) -> web.Application:
    """Return the application that answers from `lifecycle` and `metrics`."""

    async def startup(_: web.Request) -> web.Response:
        return _answer(lifecycle, good=lifecycle.started)

    async def ready(_: web.Request) -> web.Response:
        return _answer(lifecycle, good=lifecycle.ready)

    async def live(_: web.Request) -> web.Response:
        # Not bound to readiness: a server that loads or drains must not be restarted for it.
        return _answer(lifecycle, good=lifecycle.alive)

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics.expose(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.router.add_get("/health", ready)
    application.router.add_get("/health/startup", startup)
    application.router.add_get("/health/ready", ready)
    application.router.add_get("/health/live", live)
    application.router.add_get("/metrics", show_metrics)
    return application


def _answer(lifecycle: Lifecycle, *, good: bool) -> web.Response:
    return web.Response(text=f"{lifecycle.phase}\n", status=200 if good else 503)


@asynccontextmanager
async def serving_probes(
    application: web.Application, host: str, port: int, *, share_port: bool = False
) -> AsyncIterator[int]:
    """Serve `application` and yield the port in use; OSError when it is taken, and not to be shared."""
    listener = _listen(host, port, share_port=share_port)
    thread = _ProbeThread(application, listener)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        thread.end()
        await asyncio.to_thread(thread.join)


def _listen(host: str, port: int, *, share_port: bool) -> socket.socket:
    try:
        if host in ("", "::") and socket.has_dualstack_ipv6():
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=share_port
            )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, reuse_port=share_port)
    except OSError as error:
        raise OSError(f"cannot listen on {host or '*'}:{port} for probes: {_advice(error)}") from error


def _advice(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "is another server running there?"
    if error.errno == errno.EACCES:
        return f"{error.strerror}; take a port from 1024 on"
    return f"{error.strerror}; --host has to be an address of this machine, or empty for all of them"


class _ProbeThread(threading.Thread):
    """A loop of its own, which serves one application until it is told to end."""

    def __init__(self, application: web.Application, listener: socket.socket) -> None:
        super().__init__(name="whisper-probes", daemon=True)
        self._application = application
        self._listener = listener
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()

    def run(self) -> None:
        """Serve."""
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    def end(self) -> None:
        """Let `run` return soon."""
        self._loop.call_soon_threadsafe(self._over.set)

    async def _serve(self) -> None:
        # Access to probes is no news, and handlers have nothing to finish when the process ends.
        runner = web.AppRunner(self._application, access_log=None, logger=protocol_log(), shutdown_timeout=0)
        await runner.setup()
        await web.SockSite(runner, self._listener).start()
        await self._over.wait()
        await runner.cleanup()
