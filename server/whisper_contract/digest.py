"""The identity of an artifact: a sha256 over the list of its files.

Equal models have equal digests whatever source they came from, in whatever archive, so they share one directory of a
store.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

PREFIX = "sha256:"
SHORT_LENGTH = 12

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file of an artifact: its path relative to the artifact, its size in bytes, the hex sha256 of its content."""

    path: str
    size: int
    sha256: str


def artifact_digest(files: Iterable[PublishedFile]) -> str:
    """Return the hex digest of an artifact made of `files` (the manifest left out, in any order).

    It is the sha256 over the lines ``path NUL size NUL hex(sha256) LF`` in the byte order of the paths.
    """
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.path.encode()):
        digest.update(f"{file.path}\0{file.size}\0{file.sha256}\n".encode())
    return digest.hexdigest()


def is_hex_digest(text: str) -> bool:
    """Tell whether `text` is a sha256 in lower-case hex."""
    return _HEX.fullmatch(text) is not None


def format_digest(hex_digest: str) -> str:
    """Return the form that messages and status show: ``sha256:<hex>``."""
    return PREFIX + hex_digest


def parse_digest(text: str) -> str:
    """Return the hex of ``sha256:<hex>`` or of bare hex; ValueError for anything else."""
    hex_digest = text.removeprefix(PREFIX)
    if not is_hex_digest(hex_digest):
        raise ValueError(f"{text!r} is not a sha256 digest: expected sha256: and 64 lower-case hex digits")
    return hex_digest


def short_digest(text: str) -> str:
    """Return the first twelve hex digits, for people."""
    return parse_digest(text)[:SHORT_LENGTH]
