"""Reading a request's body: no more of it than a request may hold, and not for ever."""

import asyncio
from collections.abc import AsyncGenerator

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from whisper_server.errors import InvalidRequestError, TooLargeError
from whisper_server.http.errors import SlowClientError, WrongMediaTypeError

#: As much must come in the time that a client may pause: a trickle would hold a place as long as it likes.
_CHUNK_BYTES = 64 * 1024


async def body_of(request: web.Request, most: int, idle_seconds: float) -> AsyncGenerator[bytes, None]:
    """Yield the body of a request in pieces.

    Args:
        request: whose; a client that asks whether to go on is told so, and not before.
        most: bytes that it may have.
        idle_seconds: time for each piece.

    Raises:
        InvalidRequestError: when it is not what its headers say.
        TooLargeError: when it has more bytes, as soon as that is known.
        SlowClientError: when a piece takes too long.
    """
    _check_head(request, most)
    await _go_on(request)
    size = 0
    while chunk := await _read(request.content, idle_seconds):
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        yield chunk


def _check_head(request: web.Request, most: int) -> None:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise WrongMediaTypeError("the body is compressed: send the form as it is, audio is compressed already")
    if (request.content_length or 0) > most:
        raise _too_large(most)


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(f"the request is larger than the {most} bytes that one may have")


async def _go_on(request: web.Request) -> None:
    """Ask for the body, when the client waits for that: https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def _read(content: StreamReader, idle_seconds: float) -> bytes:
    chunk = bytearray()
    try:
        async with asyncio.timeout(idle_seconds):
            while len(chunk) < _CHUNK_BYTES and (piece := await content.readany()):
                chunk += piece
    except TimeoutError:
        raise SlowClientError(f"less than {_CHUNK_BYTES} bytes came in {idle_seconds:g} s: send faster") from None
    except (RequestPayloadError, HttpProcessingError) as error:
        raise InvalidRequestError("the body is cut short, or not what its headers say") from error
    return bytes(chunk)
