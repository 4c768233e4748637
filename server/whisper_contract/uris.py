"""Source URIs: one way to write where a model lives, in every command, message and status.

    s3://bucket/key?versionId=…     an object that is an archive
    s3://bucket/prefix/             the files below a prefix
    hf://org/name@revision          a Hugging Face repository; the revision defaults to main
    file:///path or a plain path    an archive or a directory

A URI names a source and says nothing of how to reach it: endpoints, regions and credentials are given beside it.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

DEFAULT_REVISION = "main"

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; others allow upper case and _ too.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_REPO_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_REPO = re.compile(rf"{_REPO_PART}(/{_REPO_PART})?")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
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
class HuggingFaceSource:
    """A repository on the Hugging Face Hub at a revision: a branch, a tag or a commit."""

    repo: str
    revision: str = DEFAULT_REVISION

    def __str__(self) -> str:
        return f"hf://{self.repo}@{self.revision}"


@dataclass(frozen=True, slots=True)
class FileSource:
    """An archive or a directory on this machine, or on a volume mounted in this pod."""

    path: PurePosixPath

    def __str__(self) -> str:
        return f"file://{quote(str(self.path), safe=_SAFE)}"


Source = S3Source | HuggingFaceSource | FileSource


def parse_source(text: str) -> Source:
    """Return the source that `text` names; a relative path stays relative.

    Raises:
        SourceURIError: for an unknown scheme or a part that cannot be right.
    """
    if not text or any(ord(character) < ord(" ") for character in text):
        raise SourceURIError("a source is empty or holds a control character")
    scheme = _SCHEME.match(text)
    if scheme is None:
        return FileSource(PurePosixPath(text))
    match scheme.group(1).lower():
        case "s3":
            return _parse_s3(text)
        case "hf":
            return _parse_hugging_face(text)
        case "file":
            return _parse_file(text)
        case other:
            raise SourceURIError(f"{other}:// is not a kind of source known here: use s3://, hf://, file:// or a path")


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError as error:
        raise SourceURIError(f"{text}: not a URI") from error


def _parse_s3(text: str) -> S3Source:
    parts = _split(text)
    if "@" in parts.netloc:
        raise SourceURIError("an s3:// source holds no credentials: give them in a Secret")
    if parts.fragment:
        raise SourceURIError(f"{text}: write # in a key as %23")
    bucket, key = parts.netloc, unquote(parts.path).removeprefix("/")
    if not _BUCKET.fullmatch(bucket):
        raise SourceURIError(f"{text}: {bucket!r} is not a bucket's name")
    if not key:
        raise SourceURIError(f"{text}: expected s3://bucket/key, or s3://bucket/prefix/ for the files below a prefix")
    query = parse_qs(parts.query, keep_blank_values=True)
    version_id = query.pop("versionId", [None])[0]
    if query or version_id == "":
        raise SourceURIError(f"{text}: only ?versionId=… may follow the key (write ? in a key as %3F)")
    source = S3Source(bucket, key, version_id)
    if source.is_prefix and version_id is not None:
        raise SourceURIError(f"{text}: a prefix has no versionId")
    return source


def _parse_hugging_face(text: str) -> HuggingFaceSource:
    repo, _, revision = text.split("://", 1)[1].partition("@")
    source = HuggingFaceSource(repo, revision or DEFAULT_REVISION)
    if not _REPO.fullmatch(source.repo):
        raise SourceURIError(f"{text}: expected hf://organisation/name@revision")
    if not _REVISION.fullmatch(source.revision) or ".." in source.revision:
        raise SourceURIError(f"{text}: {source.revision!r} is not a branch, tag or commit")
    return source


def _parse_file(text: str) -> FileSource:
    parts = _split(text)
    if "\0" in unquote(parts.path):
        raise SourceURIError("a path holds no NUL")
    if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
        raise SourceURIError(f"{text}: expected file:///absolute/path (write ? and # in a path as %3F and %23)")
    return FileSource(PurePosixPath(unquote(parts.path)))
