"""Where what was said is written: standard output, or a file that is there only once it is whole."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from whisper_server.client.errors import ClientError, ExitCode


class Document(Protocol):
    """Takes one document piece by piece."""

    @property
    def seen(self) -> bool:
        """Whether anything of it can't be taken back."""

    def write(self, text: str) -> None:
        """Take the next piece."""


class StandardOutput(Document):
    """Shows each piece as it comes, the first one below a heading."""

    def __init__(self, heading: str = "") -> None:
        self._heading = heading
        self._written = False

    @property
    def seen(self) -> bool:
        return self._written

    def write(self, text: str) -> None:
        if text:
            sys.stdout.write(text if self._written else self._heading + text)
            self._written = True
            sys.stdout.flush()


class _File(Document):
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")

    @property
    def seen(self) -> bool:
        return False

    def write(self, text: str) -> None:
        self._file.write(text)

    def close(self) -> None:
        self._file.close()


@contextmanager
def document_file(path: Path) -> Iterator[Document]:
    """Write a file beside `path`, and put it in its place when all went well.

    Raises:
        ClientError: when nothing can be written there.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _File(part)
        try:
            yield file
        finally:
            file.close()
        os.replace(part, path)  # noqa: PTH105 - Path.replace is the same, and returns what nobody needs
    except OSError as error:
        raise ClientError(
            f"{path} cannot be written: {error.strerror}: choose another folder with --output",
            ExitCode.REFUSED,
            lasting=True,
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
