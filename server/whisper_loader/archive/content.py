"""Writes the content of one file to the volume: hashed on the way, and kept where a dead pod left off."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from whisper_contract.digest import PublishedFile
from whisper_loader.archive.reader import CHUNK
from whisper_loader.hashing import BackgroundSha256
from whisper_loader.store.journal import Journal

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_KEPT = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_MODE = 0o644


class Content(Protocol):
    """Where a file's bytes come from."""

    def read_content(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""

    def replay_content(self, data: bytes, /) -> None:
        """Take `data` from the volume for the next bytes."""

    def skip_content(self, size: int, /) -> None:
        """Pass over what was replayed."""


def write_content(content: Content, path: str, journal: Journal, folder: int, name: str) -> PublishedFile:
    """Write the file `name` in the open `folder`, and return its size and sha256.

    Args:
        content: the bytes.
        path: the file's, below the folder that the journal is about.
        journal: how much of the file is on the volume already, and where to note more.
        folder: descriptor of the folder.
        name: in that folder.

    Raises:
        FileExistsError: when the file is there and the journal knows nothing of it.
        LoaderError: of the content.
        OSError: of the volume.
    """
    kept = journal.kept(path)
    descriptor = os.open(name, _KEPT if kept else _NEW, _FILE_MODE, dir_fd=folder)
    try:
        with _hash() as sha256:
            _replay(content, descriptor, kept, sha256)
            size = kept
            while data := content.read_content(CHUNK):
                sha256.update(data)
                _write_all(descriptor, data)
                size += len(data)
                journal.note(path, descriptor, size)
            return PublishedFile(path, size, sha256.hexdigest())
    finally:
        os.close(descriptor)


@contextmanager
def _hash() -> Iterator[BackgroundSha256]:
    sha256 = BackgroundSha256()
    try:
        yield sha256
    finally:
        sha256.close()


def _replay(content: Content, descriptor: int, kept: int, sha256: BackgroundSha256) -> None:
    """Hash what is there, and cut off what came after it and may be torn."""
    os.ftruncate(descriptor, kept)
    left = kept
    while left and (data := os.read(descriptor, min(CHUNK, left))):
        sha256.update(data)
        content.replay_content(data)
        left -= len(data)
    if kept:
        content.skip_content(kept)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
