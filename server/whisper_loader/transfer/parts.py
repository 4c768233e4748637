"""A file read in several parts at once and handed on in order, within a bounded memory.

One connection to an object store gives a fraction of what the wire carries; the next parts arrive while the first is
hashed and written. The reader never waits on a socket itself, so a deadline is noticed also when nothing comes.
"""

import threading
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field

from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.source import SourceFile
from whisper_loader.transfer.resuming import ResumingStream
from whisper_loader.transfer.retry import Patience
from whisper_loader.unexpected import as_loader_error

#: Bytes of a part, and parts at once: their product bounds the memory that waiting bytes take.
PART_BYTES = 8 << 20
PARTS = 4

_CHUNK = 1 << 20
_CHUNKS_OF_PART = PART_BYTES // _CHUNK
_LOOK_UP_SECONDS = 1.0


@dataclass(eq=False)
class _Part:
    """A range on its way. Its fields but the first two are guarded by the reader's condition."""

    stream: ResumingStream
    patience: Patience
    chunks: deque[bytes] = field(default_factory=deque)
    arrived: bool = False
    dropped: bool = False
    error: LoaderError | None = None


class PartsReader:
    """The bytes of one file from an offset on."""

    def __init__(self, file: SourceFile, deadline: Deadline, start: int = 0) -> None:
        """Nothing is asked for before the first `read`. Only a ranged file can start anywhere but at 0."""
        self._file = file
        self._deadline = deadline
        self._position = start
        self._next: int | None = start
        self._changed = threading.Condition()
        self._parts: deque[_Part] = deque()

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end.

        Raises:
            LoaderError: what any part met that no other try could mend; DeadlineExceeded.
        """
        with self._changed:
            while True:
                self._ask_ahead()
                self._check()
                if not self._parts:
                    return b""
                part = self._parts[0]
                if part.chunks:
                    return self._take(part, size)
                if part.arrived:
                    self._parts.popleft()
                else:
                    self._changed.wait(_LOOK_UP_SECONDS)

    def skip(self, count: int) -> None:
        """Pass over `count` bytes, without fetching them where that saves anything."""
        if count < PART_BYTES or not self._file.ranged:
            while count > 0 and (data := self.read(count)):
                count -= len(data)
            return
        with self._changed:
            self._drop_all()
            self._position += count
            self._next = self._position

    def close(self) -> None:
        """Drop what is on its way. Threads that wait for a socket end by themselves when it answers or times out."""
        with self._changed:
            self._drop_all()

    def _ask_ahead(self) -> None:
        while len(self._parts) < PARTS and (bounds := self._next_bounds()) is not None:
            patience = Patience(self._deadline)
            part = _Part(ResumingStream(self._file, *bounds, patience), patience)
            self._parts.append(part)
            threading.Thread(target=self._receive, args=(part,), name="part", daemon=True).start()

    def _next_bounds(self) -> tuple[int, int | None] | None:
        """Return the next range to ask for, or None when all has been asked for."""
        start, size = self._next, self._file.size
        if start is None or start == size:
            return None
        stop = size if size is None or not self._file.ranged else min(start + PART_BYTES, size)
        self._next = stop
        return start, stop

    def _receive(self, part: _Part) -> None:
        try:
            with closing(part.stream) as stream:
                while (data := stream.read(_CHUNK)) and self._hand_on(part, data):
                    pass
        except LoaderError as error:
            part.error = error
        except Exception as error:  # noqa: BLE001  (a thread's last border; the reader raises what is kept here)
            part.error = as_loader_error(error)
        finally:
            with self._changed:
                part.arrived = True
                self._changed.notify_all()

    def _hand_on(self, part: _Part, data: bytes) -> bool:
        """Queue `data` once there is room; tell whether anyone still wants more."""
        with self._changed:
            self._changed.wait_for(lambda: part.dropped or len(part.chunks) < _CHUNKS_OF_PART)
            part.chunks.append(data)
            self._changed.notify_all()
            return not part.dropped

    def _take(self, part: _Part, size: int) -> bytes:
        data = part.chunks.popleft()
        if len(data) > size:
            part.chunks.appendleft(data[size:])
            data = data[:size]
        self._position += len(data)
        self._changed.notify_all()
        return data

    def _check(self) -> None:
        for part in self._parts:
            if part.error is not None:
                raise part.error
        self._deadline.check()

    def _drop_all(self) -> None:
        for part in self._parts:
            part.dropped = True
            part.patience.stop()
        self._parts.clear()
        self._changed.notify_all()
