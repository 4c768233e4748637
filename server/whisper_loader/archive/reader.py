"""A source's bytes on their way: counted, hashed and looked ahead into, each once."""

import hashlib

from whisper_loader.progress import Meter
from whisper_loader.sources.base import ByteStream

CHUNK = 1 << 20


class SourceReader:
    """Reads a stream; knows the sha256 of all that was read so far."""

    def __init__(self, stream: ByteStream, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter
        self._hash = hashlib.sha256()
        self._ahead = b""

    def read(self, size: int = CHUNK, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        data = self._stream.read(size)
        self._hash.update(data)
        self._meter.advance(len(data))
        return data

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer at the end, and leave them to be read."""
        parts = [self._ahead]
        missing = size - len(self._ahead)
        self._ahead = b""
        while missing > 0 and (data := self.read(missing)):
            parts.append(data)
            missing -= len(data)
        self._ahead = b"".join(parts)
        return self._ahead[:size]

    def drain(self) -> None:
        """Read to the end, so that the hash is that of all bytes."""
        while self.read():
            pass

    @property
    def sha256(self) -> str:
        """Hex sha256 of what was read; of the whole source after `drain`."""
        return self._hash.hexdigest()
