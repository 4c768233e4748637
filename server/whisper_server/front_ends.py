"""Everything that clients talk to: begins and ends together."""

import asyncio
from dataclasses import dataclass

from whisper_server.http.server import HttpServer
from whisper_server.rpc.server import RpcServer


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports in use; None where nothing is served."""

    grpc: int
    http: int | None

    def fields(self) -> dict[str, int]:
        """Return them by name, for the log."""
        return {"grpc_port": self.grpc} | ({} if self.http is None else {"http_port": self.http})

    def sentence(self) -> str:
        """Return them for people."""
        return f"gRPC on port {self.grpc}" + ("" if self.http is None else f", HTTP on port {self.http}")


class FrontEnds:
    """gRPC, and HTTP unless it is turned off."""

    def __init__(self, rpc: RpcServer, http: HttpServer | None) -> None:
        self._rpc = rpc
        self._http = http

    async def start(self) -> Ports:
        """Serve, and return the ports in use; OSError when one is taken."""
        grpc_port = await self._rpc.start()
        return Ports(grpc_port, None if self._http is None else await self._http.start())

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
