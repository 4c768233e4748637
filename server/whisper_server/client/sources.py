"""Where audio comes from: files and standard input, read in pieces; and how long a piece lasts when it is spoken."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from whisper_server.client.errors import ClientError, ExitCode

STDIN = "-"
#: What is sent in one message.
CHUNK_BYTES = 128 * 1024
#: How much of a stream a microphone would send at a time.
STREAM_SECONDS = 0.1

_HEAD_BYTES = 64 * 1024
_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Source:
    """One recording.

    Attributes:
        name: a file's path, or `-`.
    """

    name: str

    @property
    def is_stdin(self) -> bool:
        """Whether it can be read only once, and its length is not known."""
        return self.name == STDIN

    @property
    def stem(self) -> str:
        """What a document about it is called."""
        return "stdin" if self.is_stdin else Path(self.name).stem

    @property
    def size(self) -> int | None:
        """Return its bytes; None when they come as they come. ClientError when there is no such file."""
        if self.is_stdin:
            return None
        with _told():
            path = Path(self.name)
            return path.stat().st_size if path.is_file() else None

    @contextmanager
    def opened(self) -> Iterator[FileIO]:
        """Give its bytes, unbuffered: a thread that waits for more must hold no lock that ending the process needs.

        Raises:
            ClientError: when it cannot be read.
        """
        with _told():
            file = FileIO(sys.stdin.fileno() if self.is_stdin else self.name, closefd=not self.is_stdin)
        with file:
            yield file

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield its bytes as they can be had, `size` at most at a time; ClientError when they cannot."""
        with self.opened() as file, _told():
            while chunk := file.read(size):
                yield chunk

    def paced(self, rate: int | None, channels: int) -> Iterator[bytes]:
        """Yield its bytes as fast as they are spoken; standard input's as they come.

        Raises:
            ClientError: when it cannot be read, or cannot be told how long it lasts.
        """
        if self.is_stdin:
            yield from self.chunks()
            return
        pace = _SAMPLE_BYTES * rate * channels if rate else bytes_per_second(self)
        size, began, sent = min(max(1, round(pace * STREAM_SECONDS)), CHUNK_BYTES), time.monotonic(), 0
        for chunk in self.chunks(size):
            time.sleep(max(0.0, began + sent / pace - time.monotonic()))
            sent += len(chunk)
            yield chunk


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ClientError(
            f"it cannot be read: {error.strerror}: check its name and rights", ExitCode.REFUSED
        ) from error


@contextmanager
def about(source: Source) -> Iterator[None]:
    """Name `source` in what goes wrong with it."""
    try:
        yield
    except ClientError as error:
        raise ClientError(f"{source.name}: {error}", error.exit_code, lasting=error.lasting) from error


def bytes_per_second(source: Source) -> float:
    """Return how many bytes of a WAV or FLAC file a second of it takes, on average; ClientError for others."""
    with source.opened() as file, _told():
        head = file.read(_HEAD_BYTES)
    pace = _wav_pace(head) if head.startswith(b"RIFF") else _flac_pace(head, source.size or 0)
    if not pace:
        raise ClientError(
            "it is neither WAV nor FLAC, and --stream cannot tell how fast it is spoken: give samples with --rate, or "
            "try ffmpeg -re -i FILE -f wav - | whisper-client transcribe --stream -",
            ExitCode.REFUSED,
        )
    return pace


def _wav_pace(head: bytes) -> float:
    """Return what the format chunk says (http://soundfile.sapp.org/doc/WaveFormat/); 0 when it has none."""
    at = head.find(b"fmt ")
    return float(int.from_bytes(head[at + 16 : at + 20], "little")) if at >= 0 else 0.0


def _flac_pace(head: bytes, size: int) -> float:
    """Return what STREAMINFO says (RFC 9639, section 8.2); 0 when it does not tell the length."""
    if not head.startswith(b"fLaC"):
        return 0.0
    packed = int.from_bytes(head[18:26])  # Rate (20 bits), channels (3), bits (5), samples (36).
    rate, samples = packed >> 44, packed & (2**36 - 1)
    return size * rate / samples if samples else 0.0
