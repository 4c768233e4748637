"""Google Drive on this machine: files.get of its API v3, and the page that people download public files from.

https://developers.google.com/drive/api/reference/rest/v3/files/get and .../guides/handle-errors for the API. The pages
have no documentation: theirs are the words, the form and the statuses that people meet.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.support.google_tokens import Tokens
from tests.support.serving import Handler, serving

API_KEY = "AIza-hunter2-of-the-tests"
BINARY = "application/octet-stream"
_UUID = "5f0c1c9e-uuid"
_FILE = re.compile(r"/drive/v3/files/(?P<id>[^/]+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_FIELD = re.compile(r"[A-Za-z0-9]+(?=[,(]|$)")


@dataclass
class File:
    """What has an id.

    Attributes:
        public: whether everyone who has the link may read it.
        form: whether it is too large for Google to scan for viruses.
        about: what its document says beside what every file's says.
    """

    content: bytes
    public: bool = True
    form: bool = False
    revision: int = 1
    about: dict[str, Any] = field(default_factory=dict)

    def document(self, file_id: str) -> dict[str, Any]:
        sums = {
            "md5Checksum": hashlib.md5(self.content, usedforsecurity=False).hexdigest(),
            "sha256Checksum": hashlib.sha256(self.content).hexdigest(),
        }
        bytes_of_its_own = {"size": str(len(self.content)), "headRevisionId": f"0B{self.revision}", **sums}
        if str(self.about.get("mimeType", "")).startswith("application/vnd.google-apps."):
            bytes_of_its_own = {}
        about = {"id": file_id, "name": "small.tar.zst", "mimeType": BINARY, "trashed": False}
        whole = {**about, **bytes_of_its_own, **self.about}
        return {key: value for key, value in whole.items() if value is not None}


@dataclass
class Faults:
    """What is to go wrong with requests for bytes.

    Attributes:
        statuses: that the next requests are answered with; None for a good answer.
        reason: Google's word in every refusal of the API.
        page: sent as a success in place of the bytes.
    """

    statuses: list[int | None] = field(default_factory=list)
    retry_after: str | None = None
    reason: str | None = None
    page: str | None = None


@dataclass
class Drive:
    """The service as tests see it; `requests` has every request line so far."""

    host: str = ""
    tokens: Tokens = field(default_factory=Tokens)
    files: dict[str, File] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    requests: list[str] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}"

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.host.partition(":")
        return host, int(port)

    @classmethod
    @contextmanager
    def start(cls) -> Iterator["Drive"]:
        """Serve until the block ends."""
        drive = cls()
        with serving(_Handler, {"drive": drive}) as port:
            drive.host = f"127.0.0.1:{port}"
            yield drive


class _RefusalError(Exception):
    def __init__(self, status: int, reason: str, message: str = "refused") -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


class _Handler(Handler):
    drive: ClassVar[Drive]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        status, document = self.drive.tokens.exchange(dict(parse_qsl(body.decode())))
        self._json(document, status)

    def do_GET(self) -> None:
        self.drive.requests.append(f"{self.command} {self.path}")
        parts = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        try:
            if parts.path == "/download":
                self._download()
            elif match := _FILE.fullmatch(parts.path):
                self._file(match["id"])
            else:
                self._page("<title>Sign in - Google Accounts</title>")
        except _RefusalError as refusal:
            errors = [{"domain": "global", "reason": refusal.reason, "message": refusal.message}]
            error = {"code": refusal.status, "message": refusal.message, "errors": errors}
            if refusal.reason.isupper():
                error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": refusal.reason}]
            self._json({"error": error}, refusal.status)

    def _file(self, file_id: str) -> None:
        found = self._readable(file_id)
        if self.query.get("alt") != "media":
            fields = _FIELD.findall(self.query.get("fields", "id,name,mimeType"))
            document = found.document(file_id)
            return self._json({key: document[key] for key in fields if key in document})
        faults = self.drive.faults
        if (status := self._next_status()) is not None:
            raise _RefusalError(status, faults.reason or "backendError")
        if faults.reason is not None and "acknowledgeAbuse" not in self.query:
            raise _RefusalError(403, faults.reason)
        if faults.page is not None:
            return self._page(faults.page)
        return self._bytes(found, {})

    def _readable(self, file_id: str) -> File:
        api_key, authorization = self.headers.get("X-Goog-Api-Key"), self.headers.get("Authorization")
        if authorization is None and api_key != API_KEY:
            raise _RefusalError(400, "API_KEY_INVALID", "API key not valid. Please pass a valid API key.")
        if authorization is not None and "auth/drive" not in (self.drive.tokens.scope_of(authorization) or ""):
            raise _RefusalError(401, "authError", "Invalid Credentials")
        found = self.drive.files.get(file_id)
        if found is None or not (found.public or authorization) or "supportsAllDrives" not in self.query:
            raise _RefusalError(404, "notFound", f"File not found: {file_id}.")
        return found

    def _next_status(self) -> int | None:
        return self.drive.faults.statuses.pop(0) if self.drive.faults.statuses else None

    def _download(self) -> None:
        file_id = self.query["id"]
        found = self.drive.files.get(file_id)
        if (status := self._next_status()) is not None:
            return self._page("<title>Error</title>", status)
        if found is None:
            return self._page("<p>Sorry, the file you have requested does not exist.</p>", 404)
        if not found.public:
            return self._send(302, b"", {"Location": f"http://{self.headers['Host']}/v3/signin/identifier"})
        if self.drive.faults.page is not None:
            return self._page(self.drive.faults.page)
        if found.form and (self.query.get("confirm"), self.query.get("uuid")) != ("t", _UUID):
            return self._page(self._confirm_form(file_id))
        # Drive's revision times are to the second here too.
        modified = f"Mon, 01 Jan 2024 00:00:{found.revision:02} GMT"
        return self._bytes(found, {"Last-Modified": modified, "Content-Disposition": 'attachment; filename="small"'})

    def _confirm_form(self, file_id: str) -> str:
        fields = {"id": file_id, "export": "download", "confirm": "t", "uuid": _UUID}
        inputs = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())
        return (
            "<title>Google Drive - Virus scan warning</title><a href='/'>Sign in</a>"
            "<p>Google Drive can&#39;t scan this file for viruses.</p>"
            f'<form id="download-form" action="http://{self.headers["Host"]}/download" method="get">'
            f'<input type="submit" id="uc-download-link" value="Download anyway"/>{inputs}</form>'
        )

    def _bytes(self, found: File, headers: dict[str, str]) -> None:
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        part = found.content[start : int(wanted[2]) + 1 if wanted and wanted[2] else None]
        if wanted:
            headers["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(found.content)}"
        self._send(206 if wanted else 200, part, {"Content-Type": BINARY, **headers})

    def _page(self, text: str, status: int = 200) -> None:
        body = f"<!DOCTYPE html><html><body>{text}</body></html>".encode()
        self._send(status, body, {"Content-Type": "text/html; charset=utf-8"})

    def _json(self, document: Any, status: int = 200) -> None:
        self._send(status, json.dumps(document).encode(), {"Content-Type": "application/json; charset=UTF-8"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        if status in (429, 503) and self.drive.faults.retry_after:
            headers = {**headers, "Retry-After": self.drive.faults.retry_after}
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
