"""A source's bytes on their way: counted, hashed and looked ahead into, each once."""

from typing import Protocol

from whisper_loader.hashing import BackgroundSha256
from whisper_loader.progress import Meter
from whisper_loader.source import ByteStream

CHUNK = 1 << 20


class Skipping(ByteStream, Protocol):
    """Bytes of which some need not be fetched, because they are at hand."""

    def skip(self, count: int) -> None:
        """Pass over `count` bytes."""


class SourceReader:
    """Reads a stream; knows the sha256 of all that was read so far."""

    def __init__(self, stream: Skipping, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter
        self._hash = BackgroundSha256()
        # A view, so that many small reads of one chunk do not copy what is left each time.
        self._ahead = memoryview(b"")

    def read(self, size: int = CHUNK, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        data = self._fetch(size)
        self._count(data)
        return data

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end, and leave them to be read."""
        while len(self._ahead) < size and (data := self._stream.read(CHUNK)):
            self._ahead = memoryview(bytes(self._ahead) + data)
        return bytes(self._ahead[:size])

    def replay(self, data: bytes) -> None:
        """Count and hash `data`, which is at hand, in place of the stream's next bytes, which `skip` will pass over."""
        self._count(data)

    def skip(self, count: int) -> None:
        """Pass over what was replayed."""
        ahead = min(count, len(self._ahead))
        self._ahead = self._ahead[ahead:]
        self._stream.skip(count - ahead)

    def drain(self) -> None:
        """Read to the end, so that the hash is that of all bytes."""
        while self.read():
            pass

    @property
    def sha256(self) -> str:
        """Hex sha256 of what was read; of the whole source after `drain`."""
        return self._hash.hexdigest()

    def close(self) -> None:
        """Let go of the stream and of the thread that hashes."""
        self._stream.close()
        self._hash.close()

    def _fetch(self, size: int) -> bytes:
        if not self._ahead:
            data = self._stream.read(CHUNK)
            if len(data) <= size:
                return data
            self._ahead = memoryview(data)
        taken, self._ahead = self._ahead[:size], self._ahead[size:]
        return bytes(taken)

    def _count(self, data: bytes) -> None:
        self._hash.update(data)
        self._meter.advance(len(data))
