"""What every call has in common: its id, its line in the log, its metrics, and how its errors become gRPC's."""

import asyncio
import contextlib
import logging
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from whisper_server.errors import (
    ExpiredError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RequestError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
)
from whisper_server.operations.accounting import REQUEST_ID_KEY, choose_request_id, record_request
from whisper_server.operations.logs import request_id
from whisper_server.operations.metrics import Metrics
from whisper_server.patience import Patience, until

#: Milliseconds after which gRPC clients with a retry policy try again
#: (https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback).
PUSHBACK_KEY = "grpc-retry-pushback-ms"

CODES = {
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    TooLargeError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
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

    def __init__(self, metrics: Metrics, patience: Patience | None = None) -> None:
        self._metrics = metrics
        self._patience = patience or Patience()

    async def answer(self, method: str, context: Any, work: Callable[[], Awaitable[_T]]) -> _T:
        """Return what `work` returns as the call's answer; abort the call with the fitting status when it fails."""
        async with self._call(method, context, self.deadline(context)):
            return await work()

    async def answer_stream(
        self, method: str, context: Any, answers: AsyncGenerator[Any, None], *, live: bool = False
    ) -> None:
        """Send `answers` as the call's; abort the call with the fitting status when they fail.

        Args:
            method: its name, for log and metrics.
            context: gRPC's.
            answers: closed at the end in any case.
            live: whether it may go on for as long as its caller speaks, whatever the longest deadline is.
        """
        deadline = self.live_deadline(context) if live else self.deadline(context)
        async with self._call(method, context, deadline), contextlib.aclosing(answers):
            async for answer in answers:
                await self.send(context, answer)

    def deadline(self, context: Any) -> float:
        """Return the moment, by `time.monotonic()`, after which the call's answer is worth nothing."""
        return self._patience.deadline(context.time_remaining())

    def live_deadline(self, context: Any) -> float | None:
        """Return the same for a live stream, which goes on for as long as its caller speaks; None for never."""
        remaining = context.time_remaining()
        return None if remaining is None else time.monotonic() + float(remaining)

    async def reading(self, requests: AsyncIterable[_T]) -> AsyncGenerator[_T, None]:
        """Yield a stream's requests.

        Raises:
            ExpiredError: when nothing comes for too long.
            InvalidRequestError: when bytes come that are no message.
        """
        async with contextlib.aclosing(self._patience.reading(requests)) as messages:
            try:
                async for message in messages:
                    yield message
            except DecodeError as error:
                raise InvalidRequestError(f"a request of the stream cannot be read: {error}") from error

    async def send(self, context: Any, answer: Any) -> None:
        """Send an answer; gRPC's flow control holds it back while the caller does not read those before.

        Raises:
            ExpiredError: when it is held back for too long.
        """
        limit = asyncio.timeout(self._patience.write)
        try:
            async with limit:
                await context.write(answer)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise ExpiredError(f"the answers were not read for {self._patience.write:g} s") from error

    async def _abort(
        self, context: Any, code: grpc.StatusCode, message: str, metadata: list[tuple[str, str | bytes]]
    ) -> NoReturn:
        """End the call with a status.

        It is sent behind what was, and so waits for ever when the caller does not read: the call is then left to the
        end of its connection, where gRPC keeps no more of it than one answer.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience.write):
                await context.abort(code, message, (*context.trailing_metadata(), *metadata))
        raise asyncio.CancelledError

    @contextlib.asynccontextmanager
    async def _call(self, method: str, context: Any, deadline: float | None) -> AsyncGenerator[None, None]:
        began = time.monotonic()
        identity = _request_id(context)
        request_id.set(identity)
        context.set_trailing_metadata(((REQUEST_ID_KEY, identity),))
        code, trouble = grpc.StatusCode.OK, ""
        try:
            async with until(deadline):
                yield
        except RequestError as error:
            code, trouble = CODES[type(error)], str(error)
            let_go(error)
            await self._abort(
                context, code, trouble, _retry_metadata(error) if isinstance(error, OverloadedError) else []
            )
        except (asyncio.CancelledError, GeneratorExit):
            code = _cancelled_code(context)
            raise
        except Exception as error:
            code = grpc.StatusCode.INTERNAL
            log.exception("%s failed", method)
            let_go(error)
            await self._abort(context, code, f"internal error; the server's log has it under request id {identity}", [])
        finally:
            record_request(self._metrics, method, code.name, trouble, time.monotonic() - began)


def let_go(error: BaseException | None) -> None:
    """Drop what the frames of a failure hold: the request's bytes, its decoder.

    gRPC keeps the error that ends a call where the error's own frames refer to: a circle that lasts until Python's
    garbage collector comes by, and every error before it, with all of its frames, hangs on it.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


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
