"""The bytes of a request as they come: counted, and looked at before they are read."""

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator

from whisper_server.errors import TooLargeError

#: Bytes as they came, or a part of them that is not copied.
Chunk = bytes | memoryview


class Incoming(AsyncIterator[Chunk]):
    """The chunks of a request.

    Attributes:
        received: how many bytes have come.
    """

    def __init__(self, chunks: AsyncIterable[bytes], max_bytes: int) -> None:
        self.received = 0
        self._chunks = aiter(chunks)
        self._max_bytes = max_bytes
        self._before: deque[Chunk] = deque()

    async def head(self, size: int) -> bytes:
        """Return the first `size` bytes, fewer when there are no more; they are still to be read."""
        head, come = b"", []
        while len(head) < size:
            chunk = await anext(self, None)
            if chunk is None:
                break
            come.append(chunk)
            head += chunk[: size - len(head)]
        self._before.extendleft(reversed(come))
        return head

    def put_back(self, data: Chunk) -> None:
        """Have `data` read again, before what is still to come."""
        self._before.appendleft(data)

    async def __anext__(self) -> Chunk:
        if self._before:
            return self._before.popleft()
        chunk = await anext(self._chunks)
        self.received += len(chunk)
        if self.received > self._max_bytes:
            raise TooLargeError(f"the audio is larger than the {self._max_bytes} bytes that a request may hold")
        return chunk
