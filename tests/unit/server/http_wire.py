"""A client that sends what it likes, when it likes, over a bare connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.unit.server.conftest import RECORDING
from tests.unit.server.http_server import TRANSCRIPTIONS, HttpServed

_PATIENCE_SECONDS = 240
_BOUNDARY = "frontier"
FORM_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"
#: A whole form with a recording.
BODY = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'.encode()
    + RECORDING
    + f"\r\n--{_BOUNDARY}--\r\n".encode()
)


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def send_head(self, *headers: str, length: int = len(BODY)) -> None:
        """Send the head of a request for a transcription."""
        told = ("Host: test", f"Content-Type: {FORM_TYPE}", f"Content-Length: {length}", *headers)
        self.send("".join(f"{line}\r\n" for line in (f"POST {TRANSCRIPTIONS} HTTP/1.1", *told, "")).encode())

    async def head(self) -> str:
        """Return the head of the next answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), _PATIENCE_SECONDS)
        return head.decode()

    async def status(self) -> int:
        """Return the status of the next answer."""
        return int((await self.head()).split()[1])

    async def end(self) -> bytes:
        """Return everything until the server hangs up."""
        return await asyncio.wait_for(self.reader.read(), _PATIENCE_SECONDS)


@asynccontextmanager
async def wire_to(served: HttpServed) -> AsyncIterator[Wire]:
    """Open a connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()
