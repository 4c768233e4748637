"""The real API server behind a relay that makes trouble: failing requests, lost answers, late events.

What is between the operator and the API server in a cluster (a load balancer, a restart, a full queue) does the same.
"""

import asyncio
import random
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "content-encoding", "host"})


class Fate(Enum):
    """What becomes of a request.

    It arrives and is answered; it never arrives; it arrives, and its answer gets lost; what it asks for is unknown, as
    to an API server that has just started and read no definitions yet.
    """

    ANSWERED = auto()
    REFUSED = auto()
    LOST = auto()
    UNKNOWN = auto()


#: From method and path with query to what becomes of the request.
Decide = Callable[[str, str], Fate]


class TroubledAPI:
    """The relay: `decide` and `late_seconds` may be set at any time."""

    def __init__(self, server: str, authority: Path) -> None:
        self._server = server
        self._tls = ssl.create_default_context(cafile=str(authority))
        self.decide: Decide = lambda *_: Fate.ANSWERED
        #: How late an event of a watch is at most: watches of different kinds overtake one another.
        self.late_seconds = 0.0
        #: Whether the events of watches, which go on, do not arrive.
        self.silent = False
        self.url = ""

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Relay while the block runs."""
        loop = asyncio.new_event_loop()
        started = threading.Event()
        stop = asyncio.Event()
        thread = threading.Thread(target=lambda: loop.run_until_complete(self._run(started, stop)), daemon=True)
        thread.start()
        assert started.wait(240)
        try:
            yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(240)
            loop.close()

    def kubeconfig(self, original: Path, path: Path) -> Path:
        """Write `original` anew with the relay in place of the API server."""
        config = yaml.safe_load(original.read_text())
        config["clusters"][0]["cluster"] = {"server": self.url}
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))
        return path

    async def _run(self, started: threading.Event, stop: asyncio.Event) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._relay)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        timeout = aiohttp.ClientTimeout(total=None)
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as self._session:
            started.set()
            await stop.wait()
        await runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _relay(self, request: web.Request) -> web.StreamResponse:
        fate = self.decide(request.method, request.raw_path)
        if fate is Fate.REFUSED:
            return web.json_response({"kind": "Status", "message": "trouble", "code": 503}, status=503)
        if fate is Fate.UNKNOWN:
            return web.Response(text="404 page not found\n", status=404)
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP}
        url = self._server + request.raw_path
        body = await request.read()
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            if fate is Fate.LOST:
                await answer.read()
                assert request.transport is not None
                request.transport.abort()
                raise ConnectionResetError
            return await self._pass_on(request, answer)

    async def _pass_on(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        kept = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP_BY_HOP}
        response = web.StreamResponse(status=answer.status, headers=kept)
        watch = "watch=" in request.query_string
        with suppress(ConnectionResetError, aiohttp.ClientError):  # who asked may be dead
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                if watch and self.silent:
                    continue
                if watch and self.late_seconds:
                    await asyncio.sleep(random.uniform(0, self.late_seconds))
                await response.write(chunk)
            await response.write_eof()
        return response
