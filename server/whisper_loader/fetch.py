"""Brings what a source resolved to into a folder: one pass over the bytes, hashed on the way, nothing kept twice."""

import hashlib
from contextlib import closing
from pathlib import Path

from whisper_contract.reasons import Reason
from whisper_loader.archive.decompress import open_tar_stream
from whisper_loader.archive.reader import SourceReader
from whisper_loader.archive.untar import untar
from whisper_loader.errors import LoaderError
from whisper_loader.progress import Meter
from whisper_loader.sources.base import Resolved, SourceFile

# What a wrong byte in an archive can look like; with a wrong sha256 as well, the bytes are to blame.
_BLAMED_ON_BYTES = frozenset({Reason.CHECKSUM_MISMATCH, Reason.UNSAFE_ARCHIVE, Reason.UNSUPPORTED_FORMAT})


def fetch(resolved: Resolved, target: Path, sha256: str | None, meter: Meter) -> str | None:
    """Write the source's files to `target`, an empty folder; return the sha256 of the archive, if it is one.

    Raises:
        LoaderError: of the source; ChecksumMismatch; UnsafeArchive; UnsupportedFormat; SpecInvalid when `sha256` is
            asked of a source that is not one file.
        OSError: of the volume.
    """
    meter.start(resolved.size)
    if resolved.is_archive:
        return _fetch_archive(resolved.files[0], target, sha256, meter)
    if sha256 is not None:
        raise LoaderError(Reason.SPEC_INVALID, "a sha256 belongs to an archive, and this source is a folder of files")
    for file in resolved.files:
        _fetch_file(file, target / file.name, meter)
    return None


def _fetch_archive(archive: SourceFile, target: Path, sha256: str | None, meter: Meter) -> str:
    with closing(archive.open()) as stream:
        reader = SourceReader(stream, meter)
        try:
            untar(open_tar_stream(reader), target)
        except LoaderError as error:
            if sha256 is not None and error.reason in _BLAMED_ON_BYTES:
                reader.drain()
                _check_sha256(reader, sha256, archive.name)
            raise
        reader.drain()
    _check_sha256(reader, sha256, archive.name)
    return reader.sha256


def _check_sha256(reader: SourceReader, expected: str | None, name: str) -> None:
    if expected is not None and reader.sha256 != expected:
        raise LoaderError(Reason.CHECKSUM_MISMATCH, f"{name} has sha256 {reader.sha256}, and {expected} was promised")


def _fetch_file(file: SourceFile, target: Path, meter: Meter) -> None:
    git_blob = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    with closing(file.open()) as stream, target.open("xb") as output:
        reader = SourceReader(stream, meter)
        while data := reader.read():
            output.write(data)
            git_blob.update(data)
    _check_sha256(reader, file.sha256, file.name)
    if file.git_blob is not None and git_blob.hexdigest() != file.git_blob:
        raise LoaderError(
            Reason.CHECKSUM_MISMATCH, f"{file.name} is not the content that the source lists ({file.git_blob})"
        )
