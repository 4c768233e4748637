"""Writing to Google Cloud Storage: what `push` does.

A resumable upload (https://cloud.google.com/storage/docs/performing-resumable-uploads): a session, and the bytes in
chunks. After a failure the service is asked how far it got. The session's address is a credential and is never shown.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlencode

from whisper_contract.reasons import Reason
from whisper_contract.uris import GCSSource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer
from whisper_loader.http.errors import UPLOAD_MEANINGS
from whisper_loader.progress import Meter
from whisper_loader.sources.google.api import Api, no_api
from whisper_loader.sources.google.errors import Meanings, failure
from whisper_loader.sources.google.storage import REQUESTER_PAYS, make_api
from whisper_loader.transfer.retry import Patience, retry

# Chunks are multiples of 256 KiB, by the protocol.
CHUNK_BYTES = 8 << 20

_READ_WRITE = "https://www.googleapis.com/auth/devstorage.read_write"
_TYPE = "application/octet-stream"
_ENDED = (Reason.SOURCE_UNREACHABLE, "the upload was ended by the service: push again")
_MEANINGS: Meanings = {
    "400 required": REQUESTER_PAYS,
    401: (Reason.UNAUTHORIZED, "no credentials were sent, or they are refused"),
    403: (
        Reason.UNAUTHORIZED,
        "these credentials may not write it: they need storage.objects.create, and .delete to replace",
    ),
    404: (Reason.SOURCE_NOT_FOUND, "there is no such bucket"),
    412: (Reason.UNAUTHORIZED, "the bucket's retention policy keeps the object that is there"),
    413: UPLOAD_MEANINGS[413],
    416: _ENDED,
}
_SESSION_MEANINGS: Meanings = {**_MEANINGS, 404: _ENDED, 410: _ENDED}
_RECEIVED = re.compile(r"bytes=0-([0-9]{1,18})")


def upload(path: Path, destination: GCSSource, access: Access, meter: Meter) -> None:
    """Upload one file, in place of the object that is there.

    Raises:
        LoaderError: SourceNotFound for a missing bucket, Unauthorized, SourceUnreachable, ChecksumMismatch, …
    """
    api = make_api(access, _READ_WRITE, str(destination))
    size = path.stat().st_size
    url = retry(lambda: _start(api, destination, size), access.deadline)
    session = _Session(api, str(destination), url, size)
    md5 = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        answer = _send_all(session, file, md5, meter, Patience(access.deadline))
    _check_md5(str(destination), answer, md5.digest())


def _start(api: Api, destination: GCSSource, size: int) -> str:
    query = urlencode({"uploadType": "resumable", "name": destination.name})
    answer = api.client.send(
        "POST",
        f"{api.base}/upload/storage/v1/b/{quote(destination.bucket, safe='')}/o?{query}",
        str(destination),
        {
            **api.authorize(),
            "Content-Type": "application/json",
            "X-Upload-Content-Type": _TYPE,
            "X-Upload-Content-Length": str(size),
        },
        json.dumps({"contentType": _TYPE}).encode(),
    )
    if not answer.ok:
        raise failure(answer, _MEANINGS)
    answer.close()
    session = answer.headers.get("location", "")
    if not session.startswith(("https://", "http://")):
        raise no_api(str(destination))
    if api.base.startswith("https://") and not session.startswith("https://"):
        message = f"{destination}: the service wants the upload unencrypted, at http://, where anyone can read"
        raise LoaderError(Reason.SPEC_INVALID, message)
    return session


@dataclass(frozen=True, slots=True)
class _Session:
    """An upload that was started."""

    api: Api
    what: str
    url: str
    size: int

    def put(self, content_range: str, body: bytes) -> Answer:
        """Return the answer to a chunk: success, or 308 for one after which more is awaited."""
        headers = {**self.api.authorize(), "Content-Range": content_range}
        answer = self.api.client.send("PUT", self.url, self.what, headers, body)
        if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.PERMANENT_REDIRECT):
            raise failure(answer, _SESSION_MEANINGS)
        return answer

    def send_chunk(self, file: BinaryIO, offset: int) -> Answer:
        file.seek(offset)
        body = file.read(CHUNK_BYTES)
        last = offset + len(body) - 1
        return self.put(f"bytes {offset}-{last}/{self.size}" if body else f"bytes */{self.size}", body)

    def ask(self) -> Answer:
        """Return how far the service got."""
        return self.put(f"bytes */{self.size}", b"")


def _send_all(session: _Session, file: BinaryIO, md5: "hashlib._Hash", meter: Meter, patience: Patience) -> bytes:
    """Return the document that describes the object."""
    offset, hashed, in_doubt = 0, 0, False
    while True:
        try:
            answer = session.ask() if in_doubt else session.send_chunk(file, offset)
            content = answer.document()
        except LoaderError as error:
            patience.pause_after(error)
            in_doubt = True
            continue
        whole = answer.status != HTTPStatus.PERMANENT_REDIRECT
        done = session.size if whole else _received(answer)
        if not whole and not in_doubt and done <= offset:
            patience.pause_after(_keeps_nothing(session.what))
            continue
        if done > offset or not in_doubt:
            patience.succeeded()
        in_doubt, offset = False, done
        meter.advance(_hash_up_to(file, md5, hashed, done))
        hashed = max(hashed, done)
        if whole:
            return content


def _keeps_nothing(what: str) -> LoaderError:
    return LoaderError(Reason.SOURCE_UNREACHABLE, f"{what}: the service keeps nothing of what it is sent")


def _received(answer: Answer) -> int:
    """Return how many bytes the service has; without a Range it has none."""
    found = _RECEIVED.fullmatch(answer.headers.get("range", ""))
    return int(found[1]) + 1 if found else 0


def _hash_up_to(file: BinaryIO, md5: "hashlib._Hash", start: int, stop: int) -> int:
    """Hash what is newly there; return how many bytes that is."""
    file.seek(start)
    data = file.read(max(0, stop - start))
    md5.update(data)
    return len(data)


def _check_md5(what: str, document: bytes, expected: bytes) -> None:
    """Raise LoaderError when the service says that it has other bytes."""
    try:
        described: Mapping[str, object] = json.loads(document)
        told = base64.b64decode(str(described["md5Hash"]), validate=True) if "md5Hash" in described else expected
    except (ValueError, TypeError, binascii.Error) as error:
        raise no_api(what) from error
    if told != expected:
        raise LoaderError(
            Reason.CHECKSUM_MISMATCH, f"{what}: the service received other bytes than were sent: push again"
        )
