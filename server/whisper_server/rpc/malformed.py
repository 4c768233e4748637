"""Messages that cannot be parsed: the caller's mistake, which gRPC for Python would log and answer as the server's."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError

from whisper_server.errors import InvalidRequestError
from whisper_server.rpc.calls import Calls

_T = TypeVar("_T")
_UNARY = {
    "unary_unary": grpc.unary_unary_rpc_method_handler,
    "unary_stream": grpc.unary_stream_rpc_method_handler,
}


class MalformedInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # the package has no annotations
    """Answers unary calls whose message cannot be parsed with INVALID_ARGUMENT; `Calls.reading` does so for streams."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """Return the handler of a call, with a parser that does not fail."""
        handler = await continuation(details)
        if handler is None or handler.request_streaming:
            return handler
        kind = "unary_stream" if handler.response_streaming else "unary_unary"
        return _UNARY[kind](
            self._guarded(details.method.rpartition("/")[2], getattr(handler, kind)),
            request_deserializer=_parse_or_none(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )

    def _guarded(self, method: str, behaviour: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        async def fail() -> None:
            raise InvalidRequestError("the request is no message of this method: it cannot be parsed")

        async def guarded(request: Any, context: Any) -> Any:
            if request is None:
                return await self._calls.answer(method, context, fail)
            return await behaviour(request, context)

        return guarded


def _parse_or_none(parse: Callable[[bytes], _T]) -> Callable[[bytes], _T | None]:
    def parse_or_none(data: bytes) -> _T | None:
        try:
            return parse(data)
        except DecodeError:
            return None

    return parse_or_none
