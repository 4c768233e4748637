"""Calls that send a config first and audio after it."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from whisper_server.errors import InvalidRequestError


@contextlib.asynccontextmanager
async def uploading(
    requests: AsyncGenerator[Any, None],
) -> AsyncGenerator[tuple[Any, AsyncGenerator[bytes, None]], None]:
    """Give the config of the first message, and the audio of those that follow, read when it is asked for.

    Raises:
        InvalidRequestError: when the first message holds no config; from the audio, when a later one holds one.
    """
    async with contextlib.aclosing(requests), contextlib.aclosing(_audio(requests)) as audio:
        first = await anext(requests, None)
        if first is None:
            raise InvalidRequestError("config: the call holds no message, and the first one must hold it")
        if first.WhichOneof("content") != "config":
            raise InvalidRequestError("config: the first message must hold it, before any audio")
        yield first.config, audio


async def _audio(requests: AsyncGenerator[Any, None]) -> AsyncGenerator[bytes, None]:
    async for request in requests:
        match request.WhichOneof("content"):
            case "audio":
                yield request.audio
            case "config":
                raise InvalidRequestError("config: only the first message may hold it")
            case _:
                raise InvalidRequestError("audio: each message after the first must hold it")
