"""The messages of one call: the config first, then audio."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc

from whisper_server.client.errors import ClientError


class Outgoing:
    """What a call sends; read by gRPC in a thread of its own.

    Attributes:
        sent: bytes of audio so far.
    """

    def __init__(self, first: Any, message: Callable[..., Any], chunks: Iterable[bytes]) -> None:
        self.sent = 0
        self._first = first
        self._message = message
        self._chunks = chunks
        self._error: ClientError | None = None

    def __iter__(self) -> Iterator[Any]:
        yield self._first
        try:
            for chunk in self._chunks:
                self.sent += len(chunk)
                yield self._message(audio=chunk)
        except ClientError as error:
            self._error = error  # gRPC makes an UNKNOWN of it.
            raise

    def responses(self, method: Any, options: dict[str, Any]) -> Iterator[Any]:
        """Yield what the call brings; it ends when the caller has enough.

        Raises:
            ClientError: when the audio could not be read.
            grpc.RpcError: when the call failed.
        """
        call = method(iter(self), **options)
        try:
            yield from call
        except grpc.RpcError:
            if self._error is not None:
                raise self._error from None
            raise
        finally:
            call.cancel()

    def response(self, method: Any, options: dict[str, Any]) -> Any:
        """Return what a call brings that has one answer; raises as `responses`."""
        try:
            return method(iter(self), **options)
        except grpc.RpcError:
            if self._error is not None:
                raise self._error from None
            raise
