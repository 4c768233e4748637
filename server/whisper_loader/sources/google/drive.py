"""A file on Google Drive, an archive, by its id.

With an API key or a service account: https://developers.google.com/drive/api/reference/rest/v3/files. Without a Secret,
the page that people download from: `google_drive_page`. A custom endpoint stands in for both of Google's hosts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from whisper_contract.reasons import Reason
from whisper_contract.uris import GoogleDriveSource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer, Client
from whisper_loader.http.ranges import Range
from whisper_loader.secrets import SecretFolder
from whisper_loader.source import ByteStream, Resolved, SourceFile
from whisper_loader.sources.endpoints import check_endpoint
from whisper_loader.sources.google import drive_page
from whisper_loader.sources.google.api import Api, no_api, parse_number
from whisper_loader.sources.google.credentials import KEY, Authorize, authorize
from whisper_loader.sources.google.errors import Meanings
from whisper_loader.transfer.retry import retry

ENDPOINT = "https://www.googleapis.com"

_API_KEY = "apiKey"
_READ_ONLY = "https://www.googleapis.com/auth/drive.readonly"
_FIELDS = "id,name,mimeType,size,md5Checksum,sha256Checksum,headRevisionId,trashed,shortcutDetails(targetId)"
# Of a checksum or a revision.
_CHECKSUM = re.compile(r"[A-Za-z0-9_-]{1,200}")
_GOOGLES_OWN = "application/vnd.google-apps."
_NOT_DOWNLOADABLE = (Reason.UNAUTHORIZED, "its owner, or an administrator, does not let these credentials download it")
_MEANINGS: Meanings = {
    "downloadQuotaExceeded": (Reason.SOURCE_QUOTA_EXCEEDED, drive_page.QUOTA),
    "cannotDownloadAbusiveFile": (Reason.UNSAFE_ARCHIVE, drive_page.INFECTED),
    "cannotDownloadFile": _NOT_DOWNLOADABLE,
    "domainPolicy": _NOT_DOWNLOADABLE,
    "fileNotDownloadable": (Reason.UNSUPPORTED_FORMAT, "it has no bytes of its own: only files that were uploaded do"),
    403: (Reason.UNAUTHORIZED, "these credentials may not read it: share the file with them"),
    404: (Reason.SOURCE_NOT_FOUND, "there is no such file, or it is not shared with these credentials"),
}


def resolve(source: GoogleDriveSource, access: Access) -> Resolved:
    """Return what the file holds now.

    Raises:
        LoaderError: SourceNotFound, Unauthorized, SecretKeyMissing, SourceQuotaExceeded, UnsafeArchive,
            SourceUnreachable, SpecInvalid, UnsupportedFormat.
    """
    if access.anonymous or access.secret is None:
        return drive_page.resolve(source, access)
    client = Client(access)
    base = check_endpoint(access.endpoint or ENDPOINT)
    api = Api(client, _authorize(access, access.secret, client, str(source)), base, _MEANINGS)
    document = retry(lambda: _document(api, source), access.deadline)
    content = _content(source, document)
    name = str(document.get("name", source.file_id))
    file = SourceFile(name, content.size, partial(_open, api, content), sha256=content.sha256)
    return Resolved(content.identity, (file,), is_archive=True)


def _authorize(access: Access, secret: SecretFolder, client: Client, what: str) -> Authorize:
    if (api_key := secret.get(_API_KEY)) is not None:
        # As a header, since addresses end up in logs.
        return lambda: {"X-Goog-Api-Key": api_key}
    if secret.get(KEY) is None:
        raise secret.missing(f"{KEY} (a service account's) or {_API_KEY}")
    return authorize(access, client, [_READ_ONLY], what)


def _document(api: Api, source: GoogleDriveSource) -> dict[str, Any]:
    """Return what Drive says of the file."""
    parameters = {"fields": _FIELDS, "supportsAllDrives": "true"}
    document = api.document(_path(source), str(source), parameters)
    _check_is_file(source, document)
    return document


def _path(source: GoogleDriveSource) -> str:
    return f"/drive/v3/files/{source.file_id}"


def _check_is_file(source: GoogleDriveSource, document: Mapping[str, Any]) -> None:
    """Raise LoaderError for what is in Drive without being a file."""
    kind = str(document.get("mimeType", ""))
    if document.get("trashed") is True:
        raise LoaderError(Reason.SOURCE_NOT_FOUND, f"{source}: it is in the trash")
    if kind == f"{_GOOGLES_OWN}shortcut":
        details = document.get("shortcutDetails")
        target = details.get("targetId") if isinstance(details, dict) else "its target's id"
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{source}: it is a shortcut: name gdrive://{target}")
    if kind == f"{_GOOGLES_OWN}folder":
        raise LoaderError(
            Reason.UNSUPPORTED_FORMAT, f"{source}: it is a folder: name one file, an archive of the model"
        )
    if kind.startswith(_GOOGLES_OWN):
        what = kind.removeprefix(_GOOGLES_OWN)
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{source}: it is one of Google's own documents ({what})")


@dataclass(frozen=True, slots=True)
class _Content:
    """What a file holds.

    Attributes:
        fragment: tells it from any other content.
    """

    source: GoogleDriveSource
    size: int
    fragment: str
    sha256: str | None

    @property
    def identity(self) -> str:
        return f"{self.source}#{self.fragment}"


def _content(source: GoogleDriveSource, document: Mapping[str, Any]) -> _Content:
    named = {"sha256": "sha256Checksum", "md5": "md5Checksum", "revision": "headRevisionId"}
    told = {name: document.get(key) for name, key in named.items()}
    known = {name: value for name, value in told.items() if isinstance(value, str) and _CHECKSUM.fullmatch(value)}
    fragments = [f"{name}={value}" for name, value in known.items()]
    try:
        return _Content(source, parse_number(document["size"]), fragments[0], known.get("sha256"))
    except (KeyError, IndexError, ValueError) as error:
        raise no_api(str(source)) from error


def _open(api: Api, content: _Content, start: int, stop: int | None) -> ByteStream:
    wanted = Range(start, stop, content.size)
    parameters = {"alt": "media", "supportsAllDrives": "true"}
    answer = api.get(_path(content.source), str(content.source), parameters, wanted.headers)
    try:
        _check_is_bytes(answer)
        _check_is_current(api, content)
    except LoaderError:
        answer.close()
        raise
    return wanted.check(answer)


def _check_is_current(api: Api, content: _Content) -> None:
    """Raise LoaderError SourceChanged when the file was replaced.

    Bytes don't say of which revision they are: they are of this one if it is still there after they began to come.
    """
    if _content(content.source, _document(api, content.source)) != content:
        raise LoaderError(Reason.SOURCE_CHANGED, f"{content.source}: it was replaced while it was being read")


def _check_is_bytes(answer: Answer) -> None:
    if drive_page.is_page(answer):
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{answer.what}: a web page came in place of the file")
