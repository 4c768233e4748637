"""A service that refuses some requests: an HTTP relay before a real server, with a list of what goes wrong."""

import http.client
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from tests.support.serving import Handler, serving

_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive"})
ALWAYS = 1_000


@dataclass
class Fault:
    """What some requests get in place of the service's answer.

    Attributes:
        asked: pattern of ``METHOD path``, the query included, of the requests that it is for.
        status: of the answer; 0 hangs up without one.
        times: how many of them it still is for.
        headers: of the answer.
        body: of the answer.
        arrived: whether the service hears of the request, and only its answer gets lost.
    """

    asked: str
    status: int
    times: int = ALWAYS
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    arrived: bool = False


@dataclass
class Faulty:
    """The relay as tests see it: where it is, and ``METHOD path`` of every request so far."""

    target: tuple[str, int]
    faults: list[Fault]
    url: str = ""
    requests: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    def fault_of(self, request: str) -> Fault | None:
        """Return what goes wrong with the request, and count it."""
        self.requests.append(request)
        found = next((one for one in self.faults if one.times and re.search(one.asked, request)), None)
        if found is not None:
            found.times -= 1
        return found


@contextmanager
def faulty(target: str, faults: Sequence[Fault] = ()) -> Iterator[Faulty]:
    """Stand before the plain HTTP server at `target`, as host:port, until the block ends."""
    host, _, port = target.rpartition(":")
    relay = Faulty((host, int(port)), list(faults))
    with serving(_Handler, {"relay": relay}) as own_port:
        relay.url = f"http://127.0.0.1:{own_port}"
        yield relay


class _Handler(Handler):
    relay: ClassVar[Faulty]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self._body()
        fault = self.relay.fault_of(f"{self.command} {self.path}")
        answer = self._ask(body) if fault is None or fault.arrived else None
        if fault is None:
            assert answer is not None
            self._answer(*answer)
        elif fault.status:
            self._answer(fault.status, fault.headers, fault.body)
        else:
            self.close_connection = True

    do_HEAD = do_PUT = do_POST = do_GET

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(*self.relay.target, timeout=30)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP | {"expect"}}
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in {**kept, "Content-Length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        kept = {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}
        for name, value in {**kept, "Content-Length": length}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
