"""An archive at a URL: of any web server, artifact store or signed address.

A first request for one byte tells the content's size, its version, and whether parts can be asked for. Every answer
after it must be of the same version, whether the server heeds If-Match or not.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from whisper_contract.reasons import Reason
from whisper_contract.uris import HTTPSource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer, Client
from whisper_loader.http.ranges import Range, other_range, parse_part, parse_whole_size
from whisper_loader.log import logger
from whisper_loader.source import ByteStream, Resolved, SourceFile
from whisper_loader.sources.web.secret import request_headers
from whisper_loader.sources.web.version import Version, parse_version
from whisper_loader.transfer.retry import retry

# Taken as it comes, as `curl -o` does, since a sha256 is of these bytes: many servers say gzip of a file that is a .gz.
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "zstd"})
# Parameters that say who may read, and not what is read: signatures of AWS, Google, Azure and CloudFront.
_SIGNATURE_PREFIXES = ("x-amz-", "x-goog-")
_SIGNATURE = frozenset(
    {
        *("awsaccesskeyid", "expires", "googleaccessid", "key-pair-id", "policy", "signature"),
        *("se", "sig", "sip", "ske", "skoid", "sks", "skt", "sktid", "skv", "sp", "spr", "sr", "srt", "ss", "st", "sv"),
    }
)
_REFUSED = "these credentials, or none, may not read it, or the signed address has expired"
_HINTS = {
    HTTPStatus.UNAUTHORIZED.value: (Reason.UNAUTHORIZED, _REFUSED),
    HTTPStatus.FORBIDDEN.value: (Reason.UNAUTHORIZED, _REFUSED),
}


@dataclass(frozen=True, slots=True)
class _Address:
    """A URL and how to ask for it."""

    source: HTTPSource
    client: Client
    credentials: dict[str, str]

    def get(self, headers: dict[str, str]) -> Answer:
        """Return the server's answer.

        Raises:
            LoaderError: for any but a whole or a part; UnsupportedFormat when the body is encoded in an unknown way.
        """
        what = self.source.without_query
        answer = self.client.get(self.source.url, what, {**self.credentials, **headers})
        if not answer.ok:
            raise answer.failure(_HINTS)
        encoding = answer.headers.get("content-encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            answer.close()
            message = f"{what}: the server encodes it in a way that was not asked for (Content-Encoding)"
            raise LoaderError(Reason.UNSUPPORTED_FORMAT, message)
        return answer


def resolve(source: HTTPSource, access: Access) -> Resolved:
    """Return what is behind the URL now.

    Raises:
        LoaderError: SourceNotFound, Unauthorized, SecretKeyMissing, SourceUnreachable, SpecInvalid, UnsupportedFormat.
    """
    address = _Address(source, Client(access), request_headers(access))
    version, ranged = retry(lambda: _look(address), access.deadline)
    read = partial(_open_range, address, version) if ranged else partial(_open_whole, address, version)
    file = SourceFile(_name(source), version.size, read, ranged=ranged)
    return Resolved(_identity(source, version), (file,), is_archive=True, lasting=version.is_known)


def _look(address: _Address) -> tuple[Version, bool]:
    """Return the version, and whether it can be read in parts."""
    what = address.source.without_query
    try:
        answer = address.get({"Range": "bytes=0-0"})
    except LoaderError as error:
        if error.reason is not Reason.SOURCE_CHANGED:
            raise
        # Nobody said yet what it was: the server has no first byte to give.
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{what}: the file is empty") from error
    answer.close()
    version = parse_version(answer.headers, parse_whole_size(answer))
    if answer.status == HTTPStatus.OK:
        return version, False
    part = parse_part(answer)
    if part is None or part.start != 0:
        raise other_range(answer)
    return version, version.is_known and version.size is not None


def _identity(source: HTTPSource, version: Version) -> str:
    fragment = version.fragment if version.is_known else _unknown(source, version)
    query = _query_digest(source)
    return f"{source.without_query}#{fragment}{'' if query is None else f'&query={query}'}"


def _unknown(source: HTTPSource, version: Version) -> str:
    now = datetime.now(UTC)
    logger.warning(
        "%s: the server gives neither a strong ETag nor Last-Modified and size: it is pulled anew each time",
        source.without_query,
    )
    return f"size={'unknown' if version.size is None else version.size}&read={now:%Y-%m-%dT%H:%M:%S.%fZ}"


def _query_digest(source: HTTPSource) -> str | None:
    """Return what tells apart two contents behind one path; the query itself is nobody's to see."""
    pairs = parse_qsl(urlsplit(source.url).query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not _is_signature(name.lower())]
    return hashlib.sha256(repr(kept).encode()).hexdigest()[:12] if kept else None


def _is_signature(name: str) -> bool:
    return name in _SIGNATURE or name.startswith(_SIGNATURE_PREFIXES)


def _name(source: HTTPSource) -> str:
    parts = urlsplit(source.url)
    return unquote(parts.path).rpartition("/")[2] or parts.netloc


def _open_range(address: _Address, version: Version, start: int, stop: int | None) -> ByteStream:
    wanted = Range(start, stop, version.size)
    answer = address.get({**wanted.headers, **version.conditions})
    version.check_same(answer, parse_whole_size(answer))
    return wanted.check(answer)


def _open_whole(address: _Address, version: Version, _start: int, _stop: int | None) -> ByteStream:
    answer = address.get(version.conditions)
    version.check_same(answer, parse_whole_size(answer))
    return answer
