"""Writing to a URL: one PUT, as artifact stores and WebDAV servers take it, and signed addresses too."""

from http import HTTPStatus
from pathlib import Path

from whisper_contract.reasons import Reason
from whisper_contract.uris import HTTPSource
from whisper_loader.access import Access
from whisper_loader.http.client import Client
from whisper_loader.http.errors import UPLOAD_MEANINGS
from whisper_loader.metered import MeteredFile
from whisper_loader.progress import Meter
from whisper_loader.sources.files import file_errors
from whisper_loader.sources.web.secret import request_headers
from whisper_loader.transfer.retry import retry

_DONE = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})
# https://www.rfc-editor.org/rfc/rfc4918#section-9.7.1 has the 409.
_MEANINGS = {
    **UPLOAD_MEANINGS,
    HTTPStatus.METHOD_NOT_ALLOWED.value: (Reason.SPEC_INVALID, "the server takes no PUT there"),
    HTTPStatus.CONFLICT.value: (Reason.SOURCE_NOT_FOUND, "the folder above it does not exist there"),
}


def upload(path: Path, destination: HTTPSource, access: Access, meter: Meter) -> None:
    """Upload one file, from its beginning once more when the server fails.

    Raises:
        LoaderError: Unauthorized, SourceNotFound for a missing folder, SourceUnreachable, SpecInvalid, OutOfSpace.
    """
    headers = {**request_headers(access), "Content-Type": "application/octet-stream"}
    client = Client(access)
    with file_errors(path), MeteredFile(path, meter) as file:
        headers["Content-Length"] = str(path.stat().st_size)
        retry(lambda: _put(client, destination, headers, file), access.deadline)


def _put(client: Client, destination: HTTPSource, headers: dict[str, str], file: MeteredFile) -> None:
    file.seek(0)
    answer = client.send("PUT", destination.url, destination.without_query, headers, file)
    if answer.status not in _DONE:
        raise answer.failure(_MEANINGS)
    answer.close()
