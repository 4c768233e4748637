"""Tar archives made by hand, member by member, so that they can be as wrong as a test wants."""

import gzip
import io
import tarfile
from collections.abc import Sequence

from backports import zstd

END = bytes(1024)


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: object) -> bytes:
    """Return header and content of one member, as `tarfile` would write them; `fields` are those of TarInfo."""
    header = tarfile.TarInfo(name)
    header.size = len(content)
    header.type = kind
    for field, value in fields.items():
        setattr(header, field, value)
    return header.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + padded(content)


def pax_member(name: str, content: bytes, records: dict[str, str]) -> bytes:
    """Return a member with pax records before it."""
    lines = b"".join(_record(key, value) for key, value in records.items())
    return member("PaxHeaders/x", lines, tarfile.XHDTYPE) + member(name, content)


def _record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode("utf-8", "surrogateescape")
    length = len(body) + len(str(len(body)))
    length = len(body) + len(str(length))
    return str(length).encode() + body


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def archive(*members: bytes) -> bytes:
    """Return a whole tar of `members`."""
    return b"".join(members) + END


def plain(files: Sequence[tuple[str, bytes]]) -> bytes:
    """Return a tar of files, written by the standard library."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def compressed(tar: bytes, suffix: str) -> bytes:
    """Return `tar` as the suffix says, with the checksum that each compression has."""
    if suffix == ".tar.gz":
        return gzip.compress(tar, mtime=0)
    if suffix == ".tar.zst":
        return zstd.compress(tar, options={zstd.CompressionParameter.checksum_flag: 1})
    return tar
