"""Writing to a URL: one PUT, as artifact stores and WebDAV servers take it, and signed addresses too."""

from http import HTTPStatus
from pathlib import Path

from whisper_contract.reasons import Reason
from whisper_contract.uris import HTTPSource
from whisper_loader.access import Access
from whisper_loader.http.client import Client
from whisper_loader.metered import MeteredFile
from whisper_loader.progress import Meter
from whisper_loader.sources.files import file_errors
from whisper_loader.sources.web.secret import request_headers

_DONE = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})
_REFUSED = (Reason.UNAUTHORIZED, "these credentials, or none, may not write there")
_MOVED = (Reason.SPEC_INVALID, "the server sends uploads elsewhere: name that address")
_HINTS = {
    HTTPStatus.UNAUTHORIZED.value: _REFUSED,
    HTTPStatus.FORBIDDEN.value: _REFUSED,
    HTTPStatus.METHOD_NOT_ALLOWED.value: (Reason.SPEC_INVALID, "the server takes no PUT there"),
    HTTPStatus.CONFLICT.value: (Reason.SOURCE_NOT_FOUND, "the folder above it does not exist there"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value: (Reason.SPEC_INVALID, "it is larger than the server takes"),
    HTTPStatus.INSUFFICIENT_STORAGE.value: (Reason.OUT_OF_SPACE, "the server has no room for it"),
    **dict.fromkeys((301, 302, 303, 307, 308), _MOVED),
}


def upload(path: Path, destination: HTTPSource, access: Access, meter: Meter) -> None:
    """Upload one file.

    Raises:
        LoaderError: Unauthorized, SourceNotFound for a missing folder, SourceUnreachable, SpecInvalid, OutOfSpace.
    """
    headers = {**request_headers(access), "Content-Type": "application/octet-stream"}
    with file_errors(path), MeteredFile(path, meter) as file:
        headers["Content-Length"] = str(path.stat().st_size)
        answer = Client(access).send("PUT", destination.url, destination.without_query, headers, file)
    if answer.status not in _DONE:
        raise answer.failure(_HINTS)
    answer.close()
