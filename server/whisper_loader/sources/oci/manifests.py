"""Manifests and indexes: what an artifact or image consists of.

https://github.com/opencontainers/image-spec/blob/main/manifest.md, and Docker's equals of it:
https://distribution.github.io/distribution/spec/manifest-v2-2/.
"""

import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
#: What to ask a registry for.
ACCEPT = f"{MANIFEST}, {INDEX}, {_DOCKER_MANIFEST}, {_DOCKER_INDEX}"
TITLE = "org.opencontainers.image.title"

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
# Go's names, which registries use, of what the kernel calls by its own.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Names content by its digest.

    Attributes:
        sha256: in hex.
        size: in bytes.
        media_type: what it is.
        title: the file name that an artifact's layer goes by; None for other layers.
        platform: like ``linux/amd64``, in an index.
    """

    sha256: str
    size: int
    media_type: str = ""
    title: str | None = None
    platform: str | None = None

    @property
    def digest(self) -> str:
        return f"sha256:{self.sha256}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One artifact or image; `layers` from the lowest to the uppermost."""

    layers: tuple[Descriptor, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Index:
    """Images of one name for several platforms."""

    manifests: tuple[Descriptor, ...]


def parse(content: bytes, content_type: str, what: str) -> Manifest | Index:
    """Return what `content` says.

    Raises:
        LoaderError: UnsupportedFormat for what is no manifest of a kind that is read here.
    """
    try:
        document = json.loads(content)
        media_type = document.get("mediaType") or content_type.partition(";")[0].strip()
        if media_type in (INDEX, _DOCKER_INDEX):
            return Index(tuple(_descriptor(entry) for entry in document["manifests"]))
        if media_type in (MANIFEST, _DOCKER_MANIFEST):
            return Manifest(tuple(_descriptor(entry) for entry in document["layers"]))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise LoaderError(
            Reason.UNSUPPORTED_FORMAT, f"{what}: the answer is no manifest that can be read: is this the registry?"
        ) from error
    raise LoaderError(
        Reason.UNSUPPORTED_FORMAT, f"{what}: a manifest of type {ascii(media_type)[1:100]!s} is not read here"
    )


def _descriptor(entry: Mapping[str, Any]) -> Descriptor:
    digest = _DIGEST.fullmatch(entry["digest"])
    size = entry["size"]
    if digest is None or not isinstance(size, int) or size < 0:
        raise ValueError
    annotations, runs_on = entry.get("annotations") or {}, entry.get("platform") or {}
    title = annotations.get(TITLE)
    if not isinstance(title, str | None):
        raise TypeError
    return Descriptor(
        sha256=digest.group(1),
        size=size,
        media_type=str(entry.get("mediaType", "")),
        title=title,
        platform=f"{runs_on['os']}/{runs_on['architecture']}" if runs_on else None,
    )


def choose(manifests: Sequence[Descriptor], what: str) -> Descriptor:
    """Return the manifest of an index that is meant on this machine; a model is the same on all, images are not.

    Raises:
        LoaderError: UnsupportedFormat, naming the platforms that are there.
    """
    # Build attestations stand beside images as of an unknown platform.
    candidates = [entry for entry in manifests if entry.platform != "unknown/unknown"]
    if len(candidates) == 1:
        return candidates[0]
    machine = platform.machine()
    wanted = f"linux/{_ARCHITECTURES.get(machine, machine)}"
    found = next((entry for entry in candidates if entry.platform == wanted), None)
    if found is None:
        there = ", ".join(sorted({entry.platform or "no platform" for entry in candidates})) or "nothing"
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{what}: the index has no image for {wanted}; it has {there}")
    return found
