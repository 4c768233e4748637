"""How long the server waits: for an answer to be worth something, for callers to send, and for them to read."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import TypeVar

from whisper_server.configuration.settings import Settings
from whisper_server.errors import ExpiredError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Patience:
    """What is allowed, in seconds.

    Attributes:
        default_deadline: for the whole request, of callers that set no deadline.
        max_deadline: whatever they set.
        idle: between one message of a stream and the next.
        write: for a caller to take in one answer.
    """

    default_deadline: float = 3_600.0
    max_deadline: float = 14_400.0
    idle: float = 60.0
    write: float = 60.0

    @classmethod
    def of(cls, settings: Settings) -> "Patience":
        """Return what the settings allow."""
        return cls(
            settings.default_deadline_seconds,
            settings.max_deadline_seconds,
            settings.idle_timeout_seconds,
            settings.write_timeout_seconds,
        )

    def deadline(self, remaining: float | None = None) -> float:
        """Return the moment, by `time.monotonic()`, after which an answer is worth nothing.

        Args:
            remaining: how long the caller waits; None when it does not say.
        """
        return time.monotonic() + min(self.default_deadline if remaining is None else remaining, self.max_deadline)

    async def reading(self, messages: AsyncIterable[_T]) -> AsyncGenerator[_T, None]:
        """Yield what a caller sends; the time in which nobody asks for more is not the caller's.

        Raises:
            ExpiredError: when nothing came for too long.
        """
        iterator = aiter(messages)
        while True:
            limit = asyncio.timeout(self.idle)
            try:
                async with limit:
                    message = await anext(iterator)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise ExpiredError(
                    f"nothing came for {self.idle:g} s: send silence while nobody speaks, or half-close the stream"
                ) from error
            yield message


@contextlib.asynccontextmanager
async def until(deadline: float | None) -> AsyncGenerator[None, None]:
    """Raise ExpiredError at `deadline`, by `time.monotonic()`; None for never."""
    limit = asyncio.timeout_at(deadline)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise ExpiredError("the deadline passed before the answer was complete") from error
