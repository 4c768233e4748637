"""Source URIs: one way to write where a model lives, in every command, message and status.

    s3://bucket/key?versionId=…     an object that is an archive
    s3://bucket/prefix/             the files below a prefix
    gs://bucket/object#generation   an object of Google Cloud Storage that is an archive
    gs://bucket/prefix/             the files below a prefix
    gdrive://FILEID                 a file on Google Drive that is an archive
    hf://org/name@revision          a Hugging Face repository; the revision defaults to main
    oci://registry/name:tag#path    an artifact, or an image that holds the model below a path; name@sha256:… too
    https://host/path               an archive, at any URL
    file:///path or a plain path    an archive or a directory

A URI names a source and says nothing of how to reach it: endpoints, regions and credentials are given beside it.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import SplitResult, parse_qs, quote, unquote, unquote_to_bytes, urlsplit, urlunsplit

DEFAULT_REVISION = "main"
DEFAULT_TAG = "latest"

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; others allow upper case and _ too.
# Google's are the same, but with dots up to 222 characters: https://cloud.google.com/storage/docs/buckets#naming
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]")
_REPO_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_REPO = re.compile(rf"{_REPO_PART}(/{_REPO_PART})?")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")
_GENERATION = re.compile(r"[0-9]{1,19}")
_FILE_ID = re.compile(r"[A-Za-z0-9_-]{10,128}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# What people mistype: s3:/bucket, a blank in front, user:password@host without a scheme.
_SLIP = re.compile(r"\s*(s3|gs|gdrive|hf|oci|https?|file):|.*://|[^/@:]*:[^/@]*@", re.IGNORECASE | re.DOTALL)
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
_OCI_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_OCI_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_OCI_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REGISTRY = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?")
_MAX_OCI_NAME = 255
# What a key may hold unescaped in its URI form.
_SAFE = "/!$&'()*+,;=:@~._-"


class SourceURIError(ValueError):
    """The text is no source URI; the message says what is wrong and what is expected."""


@dataclass(frozen=True, slots=True)
class S3Source:
    """An object of a bucket (an archive), or, with a key that ends in a slash, the files below a prefix."""

    bucket: str
    key: str
    version_id: str | None = None

    @property
    def is_prefix(self) -> bool:
        return self.key.endswith("/")

    def __str__(self) -> str:
        version = "" if self.version_id is None else f"?versionId={quote(self.version_id, safe='')}"
        return f"s3://{self.bucket}/{quote(self.key, safe=_SAFE)}{version}"


@dataclass(frozen=True, slots=True)
class GCSSource:
    """An object of a bucket (an archive), or, with a name that ends in a slash, the files below a prefix."""

    bucket: str
    name: str
    generation: str | None = None

    @property
    def is_prefix(self) -> bool:
        return self.name.endswith("/")

    def __str__(self) -> str:
        generation = "" if self.generation is None else f"#{self.generation}"
        return f"gs://{self.bucket}/{quote(self.name, safe=_SAFE)}{generation}"


@dataclass(frozen=True, slots=True)
class GoogleDriveSource:
    """A file on Google Drive (an archive), by the id that its link shows."""

    file_id: str

    def __str__(self) -> str:
        return f"gdrive://{self.file_id}"


@dataclass(frozen=True, slots=True)
class HuggingFaceSource:
    """A repository on the Hugging Face Hub at a revision: a branch, a tag or a commit."""

    repo: str
    revision: str = DEFAULT_REVISION

    def __str__(self) -> str:
        return f"hf://{self.repo}@{self.revision}"


@dataclass(frozen=True, slots=True)
class OCISource:
    """An artifact in a registry, or an image that holds the model below `path`.

    Attributes:
        registry: host, with a port where it is not the usual one.
        name: the repository's.
        reference: a tag, or a digest like ``sha256:…``.
        path: a folder inside an image; empty for an artifact, whose layers are the model's files or one archive.
    """

    registry: str
    name: str
    reference: str = DEFAULT_TAG
    path: str = ""

    @property
    def is_pinned(self) -> bool:
        return ":" in self.reference

    def __str__(self) -> str:
        separator = "@" if self.is_pinned else ":"
        path = f"#{quote(self.path, safe=_SAFE)}" if self.path else ""
        return f"oci://{self.registry}/{self.name}{separator}{self.reference}{path}"


@dataclass(frozen=True, slots=True)
class HTTPSource:
    """An archive at a URL."""

    url: str

    @property
    def without_query(self) -> str:
        """The URL without its query, which may be a signature."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class FileSource:
    """An archive or a directory on this machine, or on a volume mounted in this pod."""

    path: PurePosixPath

    def __str__(self) -> str:
        # A file's name is bytes, of any kind.
        return f"file://{quote(os.fsencode(self.path), safe=_SAFE)}"


Source = S3Source | GCSSource | GoogleDriveSource | HuggingFaceSource | OCISource | HTTPSource | FileSource


def shown(source: Source) -> str:
    """Return `source` as messages, logs and status may show it: a URL's query can be a signature, and is left out."""
    return source.without_query if isinstance(source, HTTPSource) else str(source)


def parse_source(text: str) -> Source:
    """Return the source that `text` names; a relative path stays relative.

    Raises:
        SourceURIError: for an unknown scheme or a part that cannot be right.
    """
    if not text or any(ord(character) < ord(" ") for character in text):
        raise SourceURIError("a source is empty or holds a control character")
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _parse_path(text)
    parse = _PARSERS.get(scheme.group(1).lower())
    if parse is None:
        known = ", ".join(f"{name}://" for name in _PARSERS)
        raise SourceURIError(f"{scheme.group(0)} is not a kind of source known here: use {known} or a path")
    return parse(text)


def _parse_path(text: str) -> FileSource:
    """Return the file of a plain path, unless it is a URI with a slip of the pen, which may hold credentials."""
    if _SLIP.match(text):
        known = ", ".join(f"{name}://" for name in _PARSERS)
        raise SourceURIError(f"that is no path: a source begins with {known} (write ./ before a path that looks so)")
    return FileSource(PurePosixPath(text))


def _told(text: str) -> str:
    """Return `text` as an error may repeat it: without its query, which may be a signature, and without credentials.

    People write those before an @; and where the @ was forgotten, before the first slash and with a colon.
    """
    scheme, _, rest = text.partition("://")
    host = rest.partition("/")[0]
    suspicious = "@" in unquote(rest) or (":" in host and not _REGISTRY.fullmatch(host))
    return f"{scheme}://{'…' if suspicious else rest.partition('?')[0]}"


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError as error:
        raise SourceURIError(f"{_told(text)}: not a URI") from error


def _bucket_and_name(text: str, parts: SplitResult) -> tuple[str, str]:
    if "@" in parts.netloc:
        raise SourceURIError(f"{parts.scheme}:// and a bucket hold no credentials: give them in a Secret")
    bucket, name = parts.netloc, unquote(parts.path).removeprefix("/")
    if not _BUCKET.fullmatch(bucket):
        raise SourceURIError(f"{_told(text)}: that is not a bucket's name, which has 3 characters at least")
    if not name:
        raise SourceURIError(
            f"{_told(text)}: expected {parts.scheme}://bucket/key, "
            f"or {parts.scheme}://bucket/prefix/ for the files below it"
        )
    return bucket, name


def _parse_s3(text: str) -> S3Source:
    parts = _split(text)
    if parts.fragment:
        raise SourceURIError(f"{_told(text)}: write # in a key as %23")
    bucket, key = _bucket_and_name(text, parts)
    query = parse_qs(parts.query, keep_blank_values=True)
    version_id = query.pop("versionId", [None])[0]
    if query or version_id == "":
        raise SourceURIError(f"{_told(text)}: only ?versionId=… may follow the key (write ? in a key as %3F)")
    source = S3Source(bucket, key, version_id)
    if source.is_prefix and version_id is not None:
        raise SourceURIError(f"{_told(text)}: a prefix has no versionId")
    return source


def _parse_gcs(text: str) -> GCSSource:
    parts = _split(text)
    if parts.query:
        raise SourceURIError(f"{_told(text)}: write ? in an object's name as %3F")
    bucket, name = _bucket_and_name(text, parts)
    source = GCSSource(bucket, name, parts.fragment or None)
    if source.generation is not None and not _GENERATION.fullmatch(source.generation):
        raise SourceURIError(f"{_told(text)}: a generation is a number (write # in an object's name as %23)")
    if source.is_prefix and source.generation is not None:
        raise SourceURIError(f"{_told(text)}: a prefix has no generation")
    return source


def _parse_google_drive(text: str) -> GoogleDriveSource:
    file_id = text.split("://", 1)[1]
    if not _FILE_ID.fullmatch(file_id):
        raise SourceURIError(
            f"{_told(text)}: expected gdrive://FILEID, the id between /d/ and /view in the file's link"
        )
    return GoogleDriveSource(file_id)


def _parse_hugging_face(text: str) -> HuggingFaceSource:
    repo, _, revision = text.split("://", 1)[1].partition("@")
    source = HuggingFaceSource(repo, revision or DEFAULT_REVISION)
    if not _REPO.fullmatch(source.repo):
        raise SourceURIError(f"{_told(text)}: expected hf://organisation/name@revision")
    if not _REVISION.fullmatch(source.revision) or ".." in source.revision:
        raise SourceURIError(f"{_told(text)}: what follows @ is not a branch, tag or commit")
    return source


def _parse_oci(text: str) -> OCISource:
    address, _, path = text.split("://", 1)[1].partition("#")
    registry, _, rest = address.partition("/")
    name, at, digest = rest.partition("@")
    name, _, tag = name.partition(":")
    reference = digest if at else tag or DEFAULT_TAG
    if not _REGISTRY.fullmatch(registry) or not _OCI_NAME.fullmatch(name) or len(name) > _MAX_OCI_NAME:
        raise SourceURIError(f"{_told(text)}: expected oci://registry/name:tag#path, or @sha256:… in place of the tag")
    if not (_OCI_DIGEST if at else _OCI_TAG).fullmatch(reference):
        raise SourceURIError(f"{_told(text)}: what follows the name is neither a tag nor a digest like sha256:…")
    path = unquote(path).strip("/")
    if ".." in path.split("/"):
        raise SourceURIError(f"{_told(text)}: the path after # may not climb with ..")
    return OCISource(registry, name, reference, path)


def _parse_http(text: str) -> HTTPSource:
    parts = _split(text)
    if "@" in parts.netloc:
        raise SourceURIError("a URL holds no credentials: give them in a Secret")
    try:
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SourceURIError("the URL's host is not a host with a port") from error
    if not host or parts.fragment or " " in text:
        told_host = "one with @" if "@" in text else host or "one without a host"
        raise SourceURIError(f"expected a URL like https://host/model.tar.zst, without spaces and #, for {told_host}")
    return HTTPSource(text)


def _parse_file(text: str) -> FileSource:
    parts = _split(text)
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if "\0" in path:
        raise SourceURIError("a path holds no NUL")
    if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
        raise SourceURIError(f"{_told(text)}: expected file:///absolute/path (write ? and # in a path as %3F and %23)")
    return FileSource(PurePosixPath(path))


_PARSERS: dict[str, Callable[[str], Source]] = {
    "s3": _parse_s3,
    "gs": _parse_gcs,
    "gdrive": _parse_google_drive,
    "hf": _parse_hugging_face,
    "oci": _parse_oci,
    "https": _parse_http,
    "http": _parse_http,
    "file": _parse_file,
}
