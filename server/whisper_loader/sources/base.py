"""What a source offers to the rest of the loader, and what it is given to reach it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from whisper_loader.deadline import Deadline
from whisper_loader.secrets import SecretFolder


class ByteStream(Protocol):
    """Bytes in order. Errors of the library behind it arrive as LoaderError."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""

    def close(self) -> None:
        """Give back the connection or the file."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source, not read yet.

    Attributes:
        name: without folders.
        size: in bytes.
        open: starts reading it; can be called again.
        sha256: what the source promises, in hex; None when it promises nothing.
        git_blob: the id that git would give to the content, when that is what the source promises.
    """

    name: str
    size: int
    open: Callable[[], ByteStream]
    sha256: str | None = None
    git_blob: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a source holds at this moment.

    Attributes:
        identity: names exactly this content (a version, an ETag, a commit), without credentials.
        files: one archive, or the files of a model.
        is_archive: which of the two.
    """

    identity: str
    files: tuple[SourceFile, ...]
    is_archive: bool

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a source, beside its name.

    Attributes:
        endpoint: URL of the service when it is not the provider's own.
        region: S3's.
        anonymous: ask without credentials even where some are at hand.
        secret: the mounted Secret; None leaves it to the provider's usual chain (environment, files, cloud identity).
        deadline: bounds every wait.
    """

    endpoint: str | None = None
    region: str | None = None
    anonymous: bool = False
    secret: SecretFolder | None = None
    deadline: Deadline = field(default_factory=Deadline)
