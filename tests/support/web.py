"""A web server here: files with validators, ranges and conditions as RFC 9110 has them, and ways to go wrong."""

import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import ClassVar

from tests.support.serving import Handler, serving

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CHUNK = 64 * 1024
MODIFIED = "Mon, 02 Nov 2026 10:00:00 GMT"


@dataclass(frozen=True)
class Refusal:
    """An answer in place of the page."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Page:
    """What is behind one path.

    Attributes:
        etag: with its quotes; None for a server that gives none.
        modified: Last-Modified; None for a server that gives none.
        ranges: whether parts are served.
        conditions: whether If-Match and If-Unmodified-Since are heeded.
        length: whether the size is told; without, the body comes in chunks.
        headers: sent beside the usual ones, or in place of them.
        wants: headers that a request must carry, or 401.
        refusals: what the next requests get instead, one each.
        seconds_per_byte: how slowly the body drips.
    """

    content: bytes = b""
    etag: str | None = '"v1"'
    modified: str | None = MODIFIED
    ranges: bool = True
    conditions: bool = True
    length: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    wants: dict[str, str] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    seconds_per_byte: float = 0.0


@dataclass
class Request:
    """A request as it came; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Web:
    """The server as tests see it: `pages` by path without query, and every request so far."""

    url: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    @classmethod
    @contextmanager
    def start(cls, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator["Web"]:
        """Serve at `host` until the block ends."""
        web = cls()
        with serving(_Handler, {"web": web}, tls, host) as web.port:
            web.url = f"{'http' if tls is None else 'https'}://{host}:{web.port}"
            yield web

    def serve(self, path: str, page: Page) -> str:
        """Put `page` behind `path`; return its URL."""
        self.pages[path] = page
        return self.url + path


class _Handler(Handler):
    web: ClassVar[Web]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if (page := self._admit()) is None:
            return
        if page.conditions and not _holds(page, self.headers.get("If-Match"), self.headers.get("If-Unmodified-Since")):
            self._answer(Refusal(412))
            return
        wanted = _RANGE.fullmatch(self.headers.get("Range", "")) if page.ranges else None
        if wanted is None:
            self._send(200, page, page.content, {})
            return
        start = int(wanted[1])
        part = page.content[start : int(wanted[2]) + 1 if wanted[2] else None]
        if not part:
            self._answer(Refusal(416, {"Content-Range": f"bytes */{len(page.content)}"}))
            return
        total = len(page.content)
        self._send(206, page, part, {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{total}"})

    def do_PUT(self) -> None:
        if (page := self._admit()) is None:
            return
        page.content = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(Refusal(201))

    def _admit(self) -> Page | None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.web.requests.append(Request(self.command, self.path, headers))
        page = self.web.pages.get(self.path.partition("?")[0])
        if page is None:
            self._answer(Refusal(404))
        elif page.refusals:
            self._answer(page.refusals.pop(0))
        elif any(headers.get(name.lower()) != value for name, value in page.wants.items()):
            self._answer(Refusal(401, {"WWW-Authenticate": 'Basic realm="models"'}))
        else:
            return page
        return None

    def _send(self, status: int, page: Page, body: bytes, headers: dict[str, str]) -> None:
        validators = {"ETag": page.etag, "Last-Modified": page.modified}
        told = {name: value for name, value in validators.items() if value is not None}
        length = {"Content-Length": str(len(body))} if page.length else {"Transfer-Encoding": "chunked"}
        self.send_response(status)
        for name, value in {**headers, **told, **length, **page.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self._write(body, page)

    def _write(self, body: bytes, page: Page) -> None:
        size = 1 if page.seconds_per_byte else _CHUNK
        for start in range(0, len(body), size):
            data = body[start : start + size]
            self.wfile.write(data if page.length else b"%x\r\n%s\r\n" % (len(data), data))
            time.sleep(page.seconds_per_byte)
        if not page.length:
            self.wfile.write(b"0\r\n\r\n")
        # Fewer bytes than were promised, and the connection's end, are what a proxy that fails looks like.
        self.close_connection = "Content-Length" in page.headers

    def _answer(self, refusal: Refusal) -> None:
        self.close_connection = self.command == "PUT"
        self.send_response(refusal.status)
        for name, value in {"Content-Length": str(len(refusal.body)), **refusal.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(refusal.body)


def _holds(page: Page, if_match: str | None, unmodified_since: str | None) -> bool:
    """https://www.rfc-editor.org/rfc/rfc9110#name-precedence-of-preconditions."""
    if if_match is not None:
        return if_match == page.etag and not if_match.startswith("W/")
    if unmodified_since is None or page.modified is None:
        return True
    return parsedate_to_datetime(page.modified) <= parsedate_to_datetime(unmodified_since)
