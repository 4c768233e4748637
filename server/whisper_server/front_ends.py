"""Everything that clients talk to: begins and ends together."""

import asyncio
from dataclasses import dataclass

from whisper_server.http.server import HttpServer
from whisper_server.rpc.server import RpcServer


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports in use; None where nothing is served.

    Attributes:
        page: what the page to try the model is asked for with: http or https; None where there is none.
    """

    grpc: int
    http: int | None
    page: str | None = None

    def fields(self) -> dict[str, int | str]:
        """Return them by name, for the log."""
        named = {"grpc_port": self.grpc, "http_port": self.http, "page": self.page}
        return {name: value for name, value in named.items() if value is not None}

    def sentence(self) -> str:
        """Return them for people."""
        if self.http is None:
            return f"gRPC on port {self.grpc}"
        page = " with a page to try it" if self.page else ""
        return f"gRPC on port {self.grpc}, HTTP on port {self.http}{page}"


class FrontEnds:
    """gRPC, and HTTP unless it is turned off."""

    def __init__(self, rpc: RpcServer, http: HttpServer | None, page: str | None = None) -> None:
        self._rpc = rpc
        self._http = http
        self._page = page

    async def start(self) -> Ports:
        """Serve, and return the ports in use; OSError when one is taken."""
        grpc_port = await self._rpc.start()
        if self._http is None:
            return Ports(grpc_port, None)
        return Ports(grpc_port, await self._http.start(), self._page)

    async def announce_end(self) -> None:
        """Send clients elsewhere; requests are still taken."""
        if self._http is not None:
            self._http.announce_end()
        await self._rpc.announce_end()

    async def wait_for_departures(self) -> None:
        """Wait until no client would call into the end of this server; with HTTP each answer sends its client away."""
        await self._rpc.wait_for_departures()

    async def stop(self, grace_seconds: float) -> None:
        """Take no more requests, and give those in flight the time to finish."""
        stopping = [self._rpc.stop(grace_seconds)]
        if self._http is not None:
            stopping.append(self._http.stop(grace_seconds))
        await asyncio.gather(*stopping)
