"""The gRPC server: its services, its options, its end."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from whisper_server.configuration.settings import Settings
from whisper_server.rpc.authentication import TokenInterceptor
from whisper_server.rpc.calls import Calls
from whisper_server.rpc.connections import connected, longest_connection_seconds
from whisper_server.rpc.credentials import server_credentials
from whisper_server.rpc.health import Health
from whisper_server.rpc.reflection import Reflection
from whisper_server.rpc.unary import UnaryInterceptor
from whisper_server.security.secured import Security

_SERVING = health_pb2.HealthCheckResponse.SERVING
#: The name under which grpc.health.v1 tells of the server as a whole.
_WHOLE_SERVER = ""
_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the server.

    Attributes:
        name: in full, as the proto has it.
        add_to: registers its methods with a gRPC server.
    """

    name: str
    add_to: Callable[[Any], None]


class RpcServer:
    """Services, health and reflection on one port."""

    def __init__(
        self,
        settings: Settings,
        services: Sequence[Service],
        calls: Calls,
        security: Security,
    ) -> None:
        self._certificates = security.certificates
        # The first is the outermost: who brings no token learns nothing else.
        tokens = [TokenInterceptor(security.tokens, calls)] if security.tokens else []
        interceptors = [*tokens, UnaryInterceptor(calls)]
        self._server = grpc.aio.server(options=_options(settings), interceptors=interceptors)
        self._health = Health()
        self._names = [service.name for service in services]
        for service in services:
            service.add_to(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(Reflection(names, calls), self._server)
        self._max_connection_age_seconds = settings.max_connection_age_seconds
        self._port = settings.grpc_port
        host = settings.host or "::"
        self._address = f"[{host}]:{settings.grpc_port}" if ":" in host else f"{host}:{settings.grpc_port}"

    async def start(self) -> int:
        """Serve, and return the port in use; OSError when it is taken."""
        try:
            self._port = self._add_port()
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._address}: is another server running there?") from error
        for name in (_WHOLE_SERVER, *self._names):
            await self._health.set(name, _SERVING)
        await self._server.start()
        return self._port

    def _add_port(self) -> int:
        if self._certificates is None:
            return int(self._server.add_insecure_port(self._address))
        return int(self._server.add_secure_port(self._address, server_credentials(self._certificates)))

    async def announce_end(self) -> None:
        """Tell whoever asks that this server is not the one to use; it still serves."""
        await self._health.enter_graceful_shutdown()

    async def wait_for_departures(self) -> None:
        """Wait until no client is connected, or each has been asked to reconnect because of its connection's age.

        gRPC asks so in two steps, and takes all calls that come until the client knows. A server that stops does not
        wait for that: a call that is on its way just then comes back as CANCELLED, which no client tries again.
        """
        if not self._max_connection_age_seconds:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_connection_seconds(self._max_connection_age_seconds)):
                while connected(self._port):  # noqa: ASYNC110 - the kernel sets no event
                    await asyncio.sleep(_LOOK_SECONDS)

    async def stop(self, grace_seconds: float) -> None:
        """Take no more calls, send clients elsewhere, and give those in flight the time to finish."""
        self._health.end_watches()
        await self._server.stop(grace_seconds)


def _options(settings: Settings) -> list[tuple[str, Any]]:
    options = [
        # Two servers on one port share its calls by chance; unless that is asked for, better the second fails.
        ("grpc.so_reuseport", int(settings.share_ports)),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        # Beyond the first, gRPC refuses some calls by chance, beyond the second all; one limit is clearer.
        ("grpc.max_metadata_size", settings.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.max_metadata_bytes),
        ("grpc.max_allowed_incoming_connections", settings.grpc_max_connections),
        ("grpc.max_concurrent_streams", settings.grpc_max_concurrent_streams),
        # A connection on which nobody says a word of HTTP/2, or of TLS, is closed.
        ("grpc.server_handshake_timeout_ms", 20_000),
        # Clients that vanished are noticed; clients may ping as often as proxies and load balancers advise.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
    if settings.max_connection_age_seconds:
        options.append(("grpc.max_connection_age_ms", settings.max_connection_age_seconds * 1000))
        if settings.max_connection_age_grace_seconds:
            options.append(("grpc.max_connection_age_grace_ms", settings.max_connection_age_grace_seconds * 1000))
    return options
