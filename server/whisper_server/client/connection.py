"""Reaching a server: address, TLS, token, and trying again."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc

from whisper_server.api.transcription_pb2_grpc import TranscriptionStub
from whisper_server.client.errors import ClientError, ExitCode, as_client_error, broken_off, retry_hint

_T = TypeVar("_T")

_LOOPBACK = ("localhost", "127.", "[::1]", "::1")
#: Waits between tries when the server does not say how long; the last one stays.
_BACKOFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
_OPTIONS: list[tuple[str, Any]] = [
    # A server that vanished is noticed while it is silent for long.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Segments with their words, and models with their languages, are small; documents' pieces too.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the server is, and how it is spoken to.

    Attributes:
        address: HOST:PORT.
        tls: whether the connection is encrypted.
        ca: file of the authorities that may vouch for the server; None for those that gRPC brings along.
        cert: file of the client's certificate, for a server that asks for one.
        key: file of its key.
        server_name: the name in the server's certificate, where the address is another.
        token_file: file whose content names the caller.
        timeout: seconds for a whole call.
        retries: how often a call is tried again that could not be served.
    """

    address: str
    tls: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: str | None = None
    token_file: Path | None = None
    timeout: float = 14_400.0
    retries: int = 4


@dataclass(frozen=True, slots=True)
class Call:
    """What each call is made with.

    Attributes:
        stub: our protocol's methods.
        options: arguments of every method: metadata and timeout.
    """

    stub: Any
    options: dict[str, Any]


@dataclass(slots=True)
class Connection:
    """A channel to one server.

    Attributes:
        target: where it is.
        notify: told why and for how long there is a pause before the next try.
    """

    target: Target
    notify: Callable[[str], None]
    _stub: Any
    _token: str | None = field(repr=False)

    def attempt(self, work: Callable[[Call], _T], may_repeat: Callable[[], bool] = lambda: True) -> _T:
        """Return what `work` returns; do it again while the server is not reachable or busy.

        Args:
            work: makes one call.
            may_repeat: asked after a failure, whether nothing has come of it yet.

        Raises:
            ClientError: when it fails for good.
        """
        for tried in range(self.target.retries + 1):
            request_id = uuid.uuid4().hex
            try:
                return work(Call(self._stub, {"metadata": self._metadata(request_id), "timeout": self.target.timeout}))
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.UNAVAILABLE and not may_repeat():
                    raise broken_off(error, self.target.address) from error
                failure = as_client_error(error, self.target.address, request_id)
                pause = pause_before_retry(error, tried)
                if pause is None or tried == self.target.retries or not may_repeat():
                    raise failure from error
                self.notify(f"{error.details()}: trying again in {pause:g} s")
                time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _metadata(self, request_id: str) -> tuple[tuple[str, str], ...]:
        token = (("authorization", f"Bearer {self._token}"),) if self._token else ()
        return (("x-request-id", request_id), *token)


def pause_before_retry(error: grpc.RpcError, tried: int) -> float | None:
    """Return the seconds to wait before trying again; None when that cannot help."""
    hint = retry_hint(error)
    if error.code() is grpc.StatusCode.UNAVAILABLE and hint is None:
        return _BACKOFF_SECONDS[min(tried, len(_BACKOFF_SECONDS) - 1)]
    return hint


@contextmanager
def connected(target: Target, notify: Callable[[str], None]) -> Iterator[Connection]:
    """Connect to a server; nothing is sent before the first call.

    Raises:
        ClientError: when a file that is needed for it cannot be read, or a token would be sent for all to read.
    """
    token = _read_token(target)
    with _channel(target) as channel:
        yield Connection(target, notify, TranscriptionStub(channel), token)


def _channel(target: Target) -> Any:
    options = [*_OPTIONS]
    if not target.tls:
        return grpc.insecure_channel(target.address, options)
    if target.server_name:
        options.append(("grpc.ssl_target_name_override", target.server_name))
    credentials = grpc.ssl_channel_credentials(_read(target.ca), _read(target.key), _read(target.cert))
    return grpc.secure_channel(target.address, credentials, options)


def _read_token(target: Target) -> str | None:
    if target.token_file is None:
        return None
    if not target.tls and not target.address.startswith(_LOOPBACK):
        raise ClientError(
            "--token-file: without --tls anybody on the way could read the token: add --tls", ExitCode.USAGE
        )
    token = (_read(target.token_file) or b"").decode("ascii", "replace").strip()
    if not token or not token.isprintable() or not token.isascii():
        raise ClientError(
            f"--token-file: {target.token_file} holds no token: one line of ASCII is expected", ExitCode.USAGE
        )
    return token


def _read(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return file.read_bytes()
    except OSError as error:
        raise ClientError(f"{file} cannot be read: {error.strerror}", ExitCode.USAGE) from error
