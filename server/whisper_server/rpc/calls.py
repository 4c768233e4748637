"""What every call has in common: its id, its line in the log, its metrics, and how its errors become gRPC's."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from whisper_server.accounting import REQUEST_ID_KEY, choose_request_id, record_request
from whisper_server.errors import (
    ExpiredError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RequestError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
)
from whisper_server.logs import request_id
from whisper_server.metrics import Metrics

#: Milliseconds after which gRPC clients with a retry policy try again
#: (https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback).
PUSHBACK_KEY = "grpc-retry-pushback-ms"

_CODES = {
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    TooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
    ExpiredError: grpc.StatusCode.DEADLINE_EXCEEDED,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
}

_T = TypeVar("_T")

log = logging.getLogger(__name__)


# A client ends a call that has expired by its own clock; the server's began with the call's arrival, so it is behind.
_CLIENT_AHEAD_SECONDS = 0.2


class Calls:
    """Answers calls."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def answer(self, method: str, context: Any, work: Callable[[], Awaitable[_T]]) -> _T:
        """Return what `work` returns as the call's answer; abort the call with the fitting status when it fails."""
        async with self._call(method, context):
            return await work()

    async def answer_stream(
        self, method: str, context: Any, answers: AsyncGenerator[_T, None]
    ) -> AsyncGenerator[_T, None]:
        """Yield `answers` as the call's; abort the call with the fitting status when they fail."""
        async with self._call(method, context), contextlib.aclosing(answers):
            async for answer in answers:
                yield answer

    @contextlib.asynccontextmanager
    async def _call(self, method: str, context: Any) -> AsyncGenerator[None, None]:
        began = time.monotonic()
        identity = _request_id(context)
        request_id.set(identity)
        context.set_trailing_metadata(((REQUEST_ID_KEY, identity),))
        code, trouble = grpc.StatusCode.OK, ""
        try:
            yield
        except RequestError as error:
            code, trouble = _CODES[type(error)], str(error)
            await _abort(context, code, trouble, _retry_metadata(error) if isinstance(error, OverloadedError) else [])
        except (asyncio.CancelledError, GeneratorExit):
            code = _cancelled_code(context)
            raise
        except Exception:
            code = grpc.StatusCode.INTERNAL
            log.exception("%s failed", method)
            await _abort(context, code, f"internal error; the server's log has it under request id {identity}", [])
        finally:
            record_request(self._metrics, method, code.name, trouble, time.monotonic() - began)


def deadline_of(context: Any) -> float | None:
    """Return the caller's deadline by `time.monotonic()`; None when it waits for ever."""
    remaining = context.time_remaining()
    return None if remaining is None else time.monotonic() + remaining


async def _abort(
    context: Any, code: grpc.StatusCode, message: str, metadata: list[tuple[str, str | bytes]]
) -> NoReturn:
    await context.abort(code, message, (*context.trailing_metadata(), *metadata))
    raise AssertionError("abort always raises")


def _retry_metadata(error: OverloadedError) -> list[tuple[str, str | bytes]]:
    """Say when to try again in both ways that clients look for: gRPC's pushback and google.rpc.RetryInfo."""
    hint = error_details_pb2.RetryInfo()
    hint.retry_delay.FromMilliseconds(round(error.retry_after_seconds * 1000))
    status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message=str(error))
    status.details.add().Pack(hint)
    pushback = (PUSHBACK_KEY, str(round(error.retry_after_seconds * 1000)))
    return [pushback, *rpc_status.to_status(status).trailing_metadata]


def _request_id(context: Any) -> str:
    sent = (value for key, value in context.invocation_metadata() if key == REQUEST_ID_KEY and isinstance(value, str))
    return choose_request_id(next(sent, None))


def _cancelled_code(context: Any) -> grpc.StatusCode:
    remaining = context.time_remaining()
    expired = remaining is not None and remaining <= _CLIENT_AHEAD_SECONDS
    return grpc.StatusCode.DEADLINE_EXCEEDED if expired else grpc.StatusCode.CANCELLED
