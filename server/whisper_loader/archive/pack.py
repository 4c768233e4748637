"""Writes the files of a model as an archive: the same files give the same bytes, whoever packs them, whenever."""

import gzip
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from backports import zstd

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.metered import MeteredFile
from whisper_loader.progress import Meter

SUFFIXES = (".tar", ".tar.zst", ".tar.gz")
_ZSTD_LEVEL = 3
_GZIP_LEVEL = 6


def pack(directory: Path, names: Sequence[str], output: IO[bytes], name: str, meter: Meter) -> None:
    """Write `names` of `directory` to `output`, compressed as the archive's `name` says, without a folder around them.

    Raises:
        LoaderError: SpecInvalid for another suffix; SourceChanged.
        OSError: of reading or writing; a part of the archive may be written.
    """
    meter.start(sum((directory / file).stat().st_size for file in names))
    with (
        _compressed(output, name) as stream,
        # Plain ustar headers; pax records appear only where a name or size needs them.
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for file in sorted(names):
            _add(archive, directory / file, meter)


@contextmanager
def _compressed(file: IO[bytes], name: str) -> Iterator[IO[bytes]]:
    if name.endswith(".tar.zst"):
        options: dict[int, int] = {
            zstd.CompressionParameter.compression_level: _ZSTD_LEVEL,
            zstd.CompressionParameter.checksum_flag: 1,
        }
        with zstd.ZstdFile(file, "w", options=options) as stream:
            yield stream  # type: ignore[misc]  # a file object in all but its declared type
    elif name.endswith(".tar.gz"):
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0) as stream:
            yield stream  # type: ignore[misc]  # as above
    elif name.endswith(".tar"):
        yield file
    else:
        raise LoaderError(Reason.SPEC_INVALID, f"{name}: an archive's name ends in {', '.join(SUFFIXES)}")


def _add(archive: tarfile.TarFile, path: Path, meter: Meter) -> None:
    """Add a plain file; owner, time and mode are the same for all, a link is stored as what it points to."""
    header = tarfile.TarInfo(path.name)
    header.mode = 0o644
    with MeteredFile(path, meter) as content:
        before = os.fstat(content.fileno())
        header.size = before.st_size
        try:
            archive.addfile(header, content)
        except OSError as error:
            if error.errno is None:  # tarfile's own, for a file that ends too early
                raise _changed(path) from error
            raise
        now = os.fstat(content.fileno())
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise _changed(path)


def _changed(path: Path) -> LoaderError:
    return LoaderError(Reason.SOURCE_CHANGED, f"{path} was written to while it was being packed")
