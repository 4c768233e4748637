"""Tokens of gRPC calls: everything but health needs one, when the server has any."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health

from whisper_server.errors import UnauthenticatedError
from whisper_server.operations.logs import caller_name
from whisper_server.rpc.calls import Calls
from whisper_server.security.tokens import Tokens

_HEALTH = f"/{health.SERVICE_NAME}/"
_KEY = "authorization"


class TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # the package has no annotations
    """Answers calls without a known token with UNAUTHENTICATED, before anything of their messages is read."""

    def __init__(self, tokens: Tokens, calls: Calls) -> None:
        self._tokens = tokens
        self._calls = calls

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """Return the handler of a call, or one that refuses it."""
        handler = await continuation(details)
        # A method that does not exist is gRPC's to refuse: its name must become no metric's label.
        if handler is None or details.method.startswith(_HEALTH):
            return handler
        values = [value for key, value in details.invocation_metadata if key == _KEY]
        try:
            caller_name.set(self._tokens.check(values[0] if values else None))
        except UnauthenticatedError as error:
            return self._refusal(details.method.rpartition("/")[2], error)
        return handler

    def _refusal(self, method: str, error: UnauthenticatedError) -> Any:
        async def fail() -> None:
            raise error

        async def refuse(_requests: Any, context: Any) -> None:
            await self._calls.answer(method, context, fail)

        # As a stream whatever the method is: the messages of a stream need not be read before it is answered.
        return grpc.stream_stream_rpc_method_handler(refuse)
