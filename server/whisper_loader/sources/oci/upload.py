"""Writing to a registry: what `push` does. An artifact as ORAS makes them, so that ORAS and its kin can read it.

https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from whisper_contract.reasons import Reason
from whisper_contract.uris import OCISource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.hashing import sha256_of
from whisper_loader.model.layout import find_model_in
from whisper_loader.progress import Meter
from whisper_loader.sources.oci.manifests import MANIFEST, TITLE
from whisper_loader.sources.oci.registry import Registry
from whisper_loader.transfer.retry import retry

ARTIFACT_TYPE = "application/vnd.whisper-operator.model.v1"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_EMPTY = b"{}"
_FILE_TYPE = "application/octet-stream"
_CHUNK = 1 << 20
# Layers of the usual types can be mounted by Kubernetes, too, as a volume of the kind `image`.
_ARCHIVE_TYPES = {
    ".tar.zst": "application/vnd.oci.image.layer.v1.tar+zstd",
    ".tar.gz": "application/vnd.oci.image.layer.v1.tar+gzip",
    ".tar": "application/vnd.oci.image.layer.v1.tar",
}


@dataclass(frozen=True, slots=True)
class _Blob:
    """What is to be in the registry under its digest.

    Attributes:
        open: the content, from its beginning.
        have: called when the registry has it.
    """

    sha256: str
    size: int
    open: Callable[[], Iterable[bytes]]
    have: Callable[[], None] = lambda: None

    @property
    def digest(self) -> str:
        return f"sha256:{self.sha256}"


def upload(path: Path, destination: OCISource, access: Access, meter: Meter) -> None:
    """Upload an archive as an artifact of one layer, a folder's model as one of a layer for each file.

    Raises:
        LoaderError: Unauthorized, SourceUnreachable, UnsupportedFormat for a registry that takes no artifacts, …
    """
    registry = Registry(destination, access)
    layers = []
    for file in _files(path):
        blob = _file_blob(file, meter)
        retry(partial(_put_blob, registry, blob), access.deadline)
        layers.append(_descriptor(blob, _media_type(file, path), {TITLE: file.name}))
    empty = _Blob(hashlib.sha256(_EMPTY).hexdigest(), len(_EMPTY), lambda: [_EMPTY])
    retry(partial(_put_blob, registry, empty), access.deadline)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": _descriptor(empty, _EMPTY_TYPE),
        "layers": layers,
    }
    content = json.dumps(manifest, separators=(",", ":")).encode()
    retry(partial(_put_manifest, registry, destination.reference, content), access.deadline)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    names = find_model_in(path).names
    return [path / name for name in names]


def _media_type(file: Path, pushed: Path) -> str:
    if pushed.is_dir():
        return _FILE_TYPE
    return next((kind for suffix, kind in _ARCHIVE_TYPES.items() if file.name.endswith(suffix)), _FILE_TYPE)


def _descriptor(blob: _Blob, media_type: str, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    described: dict[str, Any] = {"mediaType": media_type, "digest": blob.digest, "size": blob.size}
    return described if annotations is None else {**described, "annotations": annotations}


def _file_blob(file: Path, meter: Meter) -> _Blob:
    counted = _Counted(file, meter)
    return _Blob(sha256_of(file), file.stat().st_size, counted.open, counted.finish)


class _Counted:
    """A file that is sent, from its beginning once more after a failure; each byte counts once."""

    def __init__(self, path: Path, meter: Meter) -> None:
        self._path = path
        self._meter = meter
        self._furthest = 0

    def open(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            done = 0
            while data := file.read(_CHUNK):
                yield data
                done += len(data)
                self._count(done)

    def finish(self) -> None:
        """Count what was never sent, since the registry has it."""
        self._count(self._path.stat().st_size)

    def _count(self, done: int) -> None:
        if done > self._furthest:
            self._meter.advance(done - self._furthest)
            self._furthest = done


def _put_blob(registry: Registry, blob: _Blob) -> None:
    """Upload a blob in one request, unless the registry has it."""
    there = registry.send("HEAD", registry.url(f"blobs/{blob.digest}"))
    there.close()
    if there.status == HTTPStatus.OK:
        blob.have()
        return
    started = registry.send("POST", registry.url("blobs/uploads/"), {"Content-Length": "0"})
    if started.status != HTTPStatus.ACCEPTED:
        raise registry.push_error(started)
    started.close()
    headers = {"Content-Type": _FILE_TYPE, "Content-Length": str(blob.size)}
    answer = registry.send("PUT", _upload_url(registry, started.url, started.headers, blob), headers, blob.open)
    if answer.status != HTTPStatus.CREATED:
        raise registry.push_error(answer)
    answer.close()


def _upload_url(registry: Registry, url: str, headers: Mapping[str, str], blob: _Blob) -> str:
    location = headers.get("location")
    if location is None:
        raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{registry.what}: the registry names no place to upload to")
    try:
        target = urljoin(url, location)
        joint = "&" if urlsplit(target).query else "?"
    except ValueError as error:
        message = f"{registry.what}: the registry names a place to upload to that is no address"
        raise LoaderError(Reason.SOURCE_UNREACHABLE, message) from error
    if url.startswith("https://") and not target.startswith("https://"):
        raise LoaderError(
            Reason.SPEC_INVALID, f"{registry.what}: the registry wants the upload unencrypted, at http://"
        )
    return f"{target}{joint}digest={blob.digest}"


def _put_manifest(registry: Registry, tag: str, content: bytes) -> None:
    url = registry.url(f"manifests/{tag}")
    answer = registry.send("PUT", url, {"Content-Type": MANIFEST}, lambda: content)
    if answer.status != HTTPStatus.CREATED:
        raise registry.push_error(answer)
    answer.close()
