"""The manifest of a published artifact: ``manifest.json``, written last, so that a directory with one is whole."""

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from whisper_contract.digest import PublishedFile, artifact_digest, format_digest, is_hex_digest

VERSION = 1

_T = TypeVar("_T")


class ManifestError(ValueError):
    """The bytes are no valid manifest; the text says which part is wrong."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who published the artifact first.

    Attributes:
        source: the source's resolved identity, without credentials.
        published_at: RFC 3339 time in UTC.
    """

    source: str
    published_at: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact is.

    Attributes:
        files: every published file but the manifest itself.
        format: of the published model: ctranslate2.
        quantization: the type of its weights, as CTranslate2 names it (float16, int8_float16, …).
        mel_bins: mel bands that it takes: 80 or 128.
        languages: Whisper's codes of the languages that it knows; ("en",) for an English-only model.
        multilingual: whether it takes language and task tokens.
        converter: program and version that made model.bin, when we know it.
        provenance: its first publisher.
    """

    files: tuple[PublishedFile, ...]
    format: str
    quantization: str
    mel_bins: int
    languages: tuple[str, ...]
    multilingual: bool
    converter: str | None
    provenance: Provenance

    @property
    def digest(self) -> str:
        """The artifact's hex digest."""
        return artifact_digest(self.files)

    @property
    def size_bytes(self) -> int:
        """Bytes of the published files in all."""
        return sum(file.size for file in self.files)

    def to_json(self) -> bytes:
        """Return the text of ``manifest.json``: sorted, so that equal manifests are equal bytes."""
        document = {
            "v": VERSION,
            "digest": format_digest(self.digest),
            "files": [
                {"path": file.path, "size": file.size, "sha256": file.sha256}
                for file in sorted(self.files, key=lambda file: file.path.encode())
            ],
            "format": self.format,
            "quantization": self.quantization,
            "melBins": self.mel_bins,
            "languages": list(self.languages),
            "multilingual": self.multilingual,
            "converter": self.converter,
            "provenance": {"source": self.provenance.source, "publishedAt": self.provenance.published_at},
        }
        return (json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Manifest":
        """Return the manifest that `data` holds.

        Raises:
            ManifestError: when it is not one, or its digest is not that of its files.
        """
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:  # The second for nesting without end.
            raise ManifestError(f"not JSON: {error}") from error
        if not isinstance(document, dict) or document.get("v") != VERSION:
            raise ManifestError(f"not a manifest of version {VERSION}")
        try:
            manifest = _read(document)
            manifest.to_json()
        except UnicodeEncodeError as error:  # JSON can spell half a character
            raise ManifestError("it has text that can't be written") from error
        if document.get("digest") != format_digest(manifest.digest):
            raise ManifestError("its digest is not that of the files it lists")
        return manifest


def _read(document: dict[str, Any]) -> Manifest:
    files = tuple(_read_file(entry) for entry in _field(document, "files", list))
    if not files:
        raise ManifestError("it lists no files")
    provenance = _field(document, "provenance", dict)
    languages = _field(document, "languages", list)
    if not all(isinstance(language, str) for language in languages):
        raise ManifestError("languages: not all are text")
    converter = document.get("converter")
    return Manifest(
        files=files,
        format=_field(document, "format", str),
        quantization=_field(document, "quantization", str),
        mel_bins=_field(document, "melBins", int),
        languages=tuple(languages),
        multilingual=_field(document, "multilingual", bool),
        converter=converter if isinstance(converter, str) else None,
        provenance=Provenance(_field(provenance, "source", str), _field(provenance, "publishedAt", str)),
    )


def _read_file(entry: Any) -> PublishedFile:
    if not isinstance(entry, dict):
        raise ManifestError("files: an entry is not an object")
    file = PublishedFile(_field(entry, "path", str), _field(entry, "size", int), _field(entry, "sha256", str))
    if file.size < 0 or not is_hex_digest(file.sha256):
        raise ManifestError(f"files: {file.path!r} has no proper size and sha256")
    if file.path.startswith("/") or not file.path.isprintable() or {"", ".."} & set(file.path.split("/")):
        raise ManifestError(f"files: {file.path!r} is not a path inside the artifact")
    return file


def _field(document: dict[str, Any], key: str, kind: type[_T]) -> _T:
    value = document.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ManifestError(f"{key}: missing, or not of type {kind.__name__}")
    return value
