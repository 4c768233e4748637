"""S3 and what speaks its protocol: an object that is an archive, or a prefix that holds the files.

boto3 signs and finds credentials; `s3_errors` maps what it raises. Every read names the ETag that was resolved
(If-Match), so that an object that is replaced meanwhile is noticed and never mixed.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from whisper_contract.reasons import Reason
from whisper_contract.uris import S3Source
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.proxies import Proxies
from whisper_loader.http.ranges import ContentRange, parse_content_range
from whisper_loader.model.layout import find_model
from whisper_loader.secrets import SecretFolder
from whisper_loader.source import ByteStream, Resolved, SourceFile
from whisper_loader.sources.endpoints import check_endpoint
from whisper_loader.sources.listing import check_listed
from whisper_loader.sources.s3.errors import no_s3, s3_errors
from whisper_loader.transfer.parts import PARTS
from whisper_loader.transfer.retry import retry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ETAG = re.compile(r"[\x21\x23-\x7e]{1,200}")
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_SECRET_KEYS = "aws_access_key_id and aws_secret_access_key, or credentials (an AWS profile file)"  # noqa: S105  (names)


def resolve(source: S3Source, access: Access) -> Resolved:
    """Return what `source` holds now.

    Raises:
        LoaderError: SourceNotFound, Unauthorized, SecretKeyMissing, SourceUnreachable, SpecInvalid, UnsupportedFormat.
    """
    client = make_client(access)
    if source.is_prefix:
        return _resolve_prefix(client, source, access)
    return _resolve_object(client, source, access)


def make_client(access: Access, *, attempts: int = 1) -> "S3Client":
    """Return a client with the credentials that `access` leads to.

    It makes each request `attempts` times at most: reads are tried again by `transfer`, parts of an upload by boto3.
    """
    endpoint = None if access.endpoint is None else check_endpoint(access.endpoint)
    config = Config(
        connect_timeout=access.deadline.remaining(_CONNECT_SECONDS),
        read_timeout=access.deadline.remaining(_READ_SECONDS),
        retries={"total_max_attempts": attempts, "mode": "standard"},
        max_pool_connections=PARTS + 1,
        signature_version=UNSIGNED if access.anonymous else None,
        # A service under an address of its own seldom has one more for each bucket.
        s3={"addressing_style": "path" if access.endpoint else "auto"},
        # Checksums of newer SDKs, which other services than AWS's refuse when they are not asked for.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        proxies=_proxies(endpoint),
    )
    with s3_errors("the S3 client"):
        session = _session(None if access.anonymous else access.secret, access.ca_bundle)
        region = access.region or session.region_name or "us-east-1"
        return session.client("s3", config=config, endpoint_url=endpoint, region_name=region)


def _proxies(endpoint: str | None) -> dict[str, str] | None:
    """Return no proxies for an endpoint of NO_PROXY; None leaves it to boto3, which knows no networks in there."""
    if endpoint is None or Proxies.from_environment().find(endpoint) is not None:
        return None
    return {}


def _session(secret: SecretFolder | None, ca_bundle: Path | None) -> boto3.session.Session:
    """Credentials from the Secret, or boto3's own chain."""
    inner = botocore.session.Session()
    if ca_bundle is not None:
        # As the session's setting it also holds for the clients that boto3 makes to get credentials, as of STS.
        inner.set_config_variable("ca_bundle", str(ca_bundle))
    if secret is None:
        return boto3.session.Session(botocore_session=inner)
    key_id, secret_key = secret.get("aws_access_key_id"), secret.get("aws_secret_access_key")
    if key_id and secret_key:
        return boto3.session.Session(key_id, secret_key, secret.get("aws_session_token"), botocore_session=inner)
    profile_file = secret.file("credentials")
    if profile_file is None:
        raise secret.missing(_SECRET_KEYS)
    return _profile_session(profile_file, inner)


def _profile_session(profile_file: Path, inner: botocore.session.Session) -> boto3.session.Session:
    # Naming the profile makes botocore read the file before the environment.
    inner.set_config_variable("profile", "default")
    inner.set_config_variable("credentials_file", str(profile_file))
    with suppress(BotoCoreError):
        session = boto3.session.Session(botocore_session=inner)
        if session.get_credentials() is not None:
            return session
    raise LoaderError(Reason.SECRET_KEY_MISSING, "the Secret's credentials file has no [default] profile with keys")


@dataclass(frozen=True, slots=True)
class _Version:
    """One state of one object."""

    bucket: str
    key: str
    etag: str
    version_id: str | None
    size: int

    @property
    def identity(self) -> str:
        if self.version_id is not None:
            return str(S3Source(self.bucket, self.key, self.version_id))
        return f"{S3Source(self.bucket, self.key)}#etag={self.etag}"


def _resolve_object(client: "S3Client", source: S3Source, access: Access) -> Resolved:
    reply = retry(lambda: _get_start(client, source), access.deadline)
    reply["Body"].close()
    version = _parse_version(source, reply)
    name = source.key.rpartition("/")[2]
    return Resolved(version.identity, (_file(client, name, version),), is_archive=True)


def _get_start(client: "S3Client", source: S3Source) -> dict[str, Any]:
    """GET of one byte, rather than HEAD: only the errors of GET have a body that says why."""
    try:
        return _get(client, str(source), {**_parameters(source), "Range": "bytes=0-0"})
    except LoaderError as error:
        if error.reason is not Reason.SOURCE_CHANGED:
            raise
        # 416: an empty object has no first byte.
        return _get(client, str(source), _parameters(source))


def _parse_version(source: S3Source, reply: dict[str, Any]) -> _Version:
    """Return which state of the object the reply is of; LoaderError for a web page that a portal or proxy sends."""
    version_id = reply.get("VersionId")
    try:
        etag, size = _bare(reply["ETag"]), _whole_size(reply)
    except KeyError as error:
        raise no_s3(str(source)) from error
    if not _ETAG.fullmatch(etag):  # it is to stand in logs and in the status
        raise no_s3(str(source))
    return _Version(source.bucket, source.key, etag, None if version_id == "null" else version_id, size)


def _bare(etag: str) -> str:
    """Return an ETag without its quotes, and without the mark of a proxy that could have compressed the content."""
    return etag.removeprefix("W/").strip('"')


def _whole_size(reply: dict[str, Any]) -> int:
    """``Content-Range: bytes 0-0/SIZE``; a service that knows no ranges answers with the whole."""
    size = reply.get("ContentRange", "").rpartition("/")[2]
    return int(size) if size.isdecimal() else int(reply["ContentLength"])


def _parameters(source: S3Source) -> dict[str, Any]:
    version = {} if source.version_id is None else {"VersionId": source.version_id}
    return {"Bucket": source.bucket, "Key": source.key, **version}


def _get(client: "S3Client", what: str, parameters: dict[str, Any]) -> dict[str, Any]:
    with s3_errors(what):
        reply: dict[str, Any] = dict(client.get_object(**parameters))
        return reply


def _resolve_prefix(client: "S3Client", source: S3Source, access: Access) -> Resolved:
    listed = retry(lambda: _list(client, source), access.deadline)
    if not listed:
        raise LoaderError(Reason.SOURCE_NOT_FOUND, f"{source}: there are no objects below this prefix")
    names = find_model(listed).names
    files = tuple(_file(client, name, listed[name]) for name in names)
    lines = "".join(f"{name}\0{listed[name].etag}\0{listed[name].size}\n" for name in sorted(names))
    return Resolved(f"{source}#files={hashlib.sha256(lines.encode()).hexdigest()}", files, is_archive=False)


def _list(client: "S3Client", source: S3Source) -> dict[str, _Version]:
    """The objects right below the prefix, by name."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=source.bucket, Prefix=source.key, Delimiter="/")
    listed: dict[str, _Version] = {}
    with s3_errors(str(source)):
        for entry in (entry for page in pages for entry in _contents(page, str(source))):
            if name := entry["Key"].removeprefix(source.key):
                listed[name] = _Version(source.bucket, entry["Key"], _bare(entry["ETag"]), None, entry["Size"])
            check_listed(len(listed), str(source))
    return listed


def _contents(page: Mapping[str, Any], what: str) -> Sequence[Mapping[str, Any]]:
    """Return the objects of a page of a listing; LoaderError for a web page, which boto3 reads as an empty one."""
    if "IsTruncated" not in page and "Contents" not in page:
        raise no_s3(what)
    found: Sequence[Mapping[str, Any]] = page.get("Contents", ())
    return found


def _file(client: "S3Client", name: str, version: _Version) -> SourceFile:
    return SourceFile(name, version.size, partial(_open, client, version))


def _open(client: "S3Client", version: _Version, start: int, stop: int | None) -> ByteStream:
    source = S3Source(version.bucket, version.key, version.version_id)
    last = version.size if stop is None else stop
    ranged = {"Range": f"bytes={start}-{last - 1}", "IfMatch": f'"{version.etag}"'}
    reply = _get(client, str(source), {**_parameters(source), **ranged})
    try:
        _check_part(str(source), reply, version, ContentRange(start, last, version.size))
    except LoaderError:
        reply["Body"].close()
        raise
    return _Body(str(source), reply["Body"])


def _check_part(what: str, reply: dict[str, Any], version: _Version, wanted: ContentRange) -> None:
    """Raise LoaderError unless the reply is this part of this version: not every service heeds If-Match and Range."""
    if _bare(reply.get("ETag", version.etag)) != version.etag:
        raise LoaderError(Reason.SOURCE_CHANGED, f"{what}: it was replaced while it was being read")
    whole = ContentRange(0, version.size, version.size)
    told = reply.get("ContentRange")
    part = whole if told is None else parse_content_range({"content-range": told})
    if part != wanted or reply.get("ContentLength") != wanted.stop - wanted.start:
        raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{what}: the service does not answer with the range asked for")


class _Body:
    """boto3's body, with its errors mapped."""

    def __init__(self, what: str, body: Any) -> None:
        self._what = what
        self._body = body

    def read(self, size: int, /) -> bytes:
        with s3_errors(self._what):
            data: bytes = self._body.read(size)
            return data

    def close(self) -> None:
        self._body.close()
