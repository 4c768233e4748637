"""What a source offers to the rest of the loader."""

from dataclasses import dataclass
from typing import Protocol


class ByteStream(Protocol):
    """Bytes in order. Errors of the library behind it arrive as LoaderError."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""

    def close(self) -> None:
        """Give back the connection or the file."""


class OpenRange(Protocol):
    """Starts reading a file of a source."""

    def __call__(self, start: int, stop: int | None, /) -> ByteStream:
        """Return the bytes from `start` to before `stop`, or to the end, of exactly the content that was resolved.

        Called from several threads at once. One try: `transfer` is what tries again.

        Raises:
            LoaderError: SourceChanged for other content; SourceUnreachable, with the source's Retry-After, for what may
                pass; any other reason for what will not.
        """


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source, not read yet.

    Attributes:
        name: without folders.
        size: in bytes; None when the source does not say.
        open: starts reading it.
        ranged: whether reading can start in the middle; otherwise `open` is only called with 0 and None.
        sha256: what the source promises, in hex; None when it promises nothing.
        git_blob: the id that git would give to the content, when that is what the source promises.
    """

    name: str
    size: int | None
    open: OpenRange
    ranged: bool = True
    sha256: str | None = None
    git_blob: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a source holds at this moment.

    Attributes:
        identity: names exactly this content (a version, an ETag, a commit), without credentials.
        files: one archive, or the files of a model.
        is_archive: which of the two.
        image_path: set when the files are an image's layers, the uppermost first: the folder of it that is meant.
        lasting: whether the same content has the same identity the next time; not so where the source tells no version.
    """

    identity: str
    files: tuple[SourceFile, ...]
    is_archive: bool
    image_path: str | None = None
    lasting: bool = True

    @property
    def size(self) -> int | None:
        """Bytes of all files, or None when that is not known."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None
