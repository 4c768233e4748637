"""Calls whose one message takes too long, is no message, or whose answer nobody reads.

gRPC for Python reads the message of a unary call, and writes its answer, without any limit of time, and takes a message
that it cannot parse for a defect of the server's. On the wire such a call is a stream of one message: here it is read
and written as one.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from whisper_server.errors import ExpiredError, InvalidRequestError, RequestError
from whisper_server.patience import until
from whisper_server.rpc.calls import Calls, let_go

log = logging.getLogger(__name__)


class UnaryInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # the package has no annotations
    """Bounds calls of one request as streams are bounded, and answers what cannot be parsed with INVALID_ARGUMENT."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """Return the handler of a call; of one with a single request, as a stream."""
        handler = await continuation(details)
        if handler is None or handler.request_streaming:
            return handler
        method = details.method.rpartition("/")[2]

        async def talk(requests: Any, context: Any) -> None:
            try:
                request = await self._only(requests, context)
            except RequestError as error:
                await self._calls.answer(method, context, _raising(error))
                return
            if handler.response_streaming:
                await handler.unary_stream(request, context)  # It is a watch of health, which writes by itself.
            else:
                answering, request = handler.unary_unary(request, context), None
                await self._answer(context, answering)

        return grpc.stream_stream_rpc_method_handler(talk, handler.request_deserializer, handler.response_serializer)

    async def _only(self, requests: Any, context: Any) -> Any:
        try:
            async with until(self._calls.deadline(context)):
                return await anext(aiter(requests))
        except StopAsyncIteration as error:
            raise InvalidRequestError("the call ended before its request came") from error
        except DecodeError as error:
            raise InvalidRequestError("the request is no message of this method: it cannot be parsed") from error

    async def _answer(self, context: Any, answering: Awaitable[Any]) -> None:
        try:
            await self._calls.send(context, await answering)
        except grpc.aio.AbortError as error:
            let_go(error)
            raise
        except ExpiredError as error:
            log.info("a call is given up: %s", error)


def _raising(error: RequestError) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise error

    return fail
