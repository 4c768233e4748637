"""A forward proxy on this machine: CONNECT for https, whole URLs for http, Basic credentials when it wants them."""

import base64
import http.client
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from tests.support.serving import Handler, serving

_CHUNK = 64 * 1024
_HOP_BY_HOP = frozenset({"proxy-authorization", "proxy-connection", "connection", "keep-alive", "transfer-encoding"})


@dataclass
class ForwardProxy:
    """The proxy as tests see it.

    Attributes:
        address: host and port.
        credentials: user:password that it wants; None for an open one.
        leads: for CONNECT, the host and port that stand in for those of the internet.
        refuses: status that CONNECT is answered with; 200 to connect.
        asked: what it was asked for: CONNECT host:port, or the method and the URL.
        headers: names in lower case of what it was sent.
    """

    address: str = ""
    credentials: str | None = None
    leads: dict[str, str] = field(default_factory=dict)
    refuses: int = 200
    asked: list[str] = field(default_factory=list)
    headers: list[set[str]] = field(default_factory=list)

    @classmethod
    @contextmanager
    def start(cls, credentials: str | None = None) -> Iterator["ForwardProxy"]:
        """Serve until the block ends."""
        proxy = cls(credentials=credentials)
        with serving(_Handler, {"proxy": proxy}) as port:
            proxy.address = f"127.0.0.1:{port}"
            yield proxy


class _Handler(Handler):
    proxy: ClassVar[ForwardProxy]
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        if not self._admit():
            return
        if self.proxy.refuses != http.client.OK:
            self._say(self.proxy.refuses)
            return
        host, _, port = self.proxy.leads.get(self.path, self.path).rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port))) as target:
            self.send_response(200)
            self.end_headers()
            _tunnel(self.connection, target)
        self.close_connection = True

    def do_GET(self) -> None:
        if not self._admit():
            return
        url = urlsplit(self.path)
        connection = http.client.HTTPConnection(url.netloc)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        path = url.path + (f"?{url.query}" if url.query else "")
        length = int(self.headers.get("Content-Length", 0))
        connection.request(self.command, path, body=self.rfile.read(length) or None, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {*_HOP_BY_HOP, "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    def do_PUT(self) -> None:
        self.do_GET()

    def _admit(self) -> bool:
        self.proxy.asked.append(f"{self.command} {self.path}")
        self.proxy.headers.append({name.lower() for name in self.headers})
        if self.proxy.credentials is not None:
            wanted = f"Basic {base64.b64encode(self.proxy.credentials.encode()).decode()}"
            if self.headers.get("Proxy-Authorization") != wanted:
                self._say(407)
                return False
        return True

    def _say(self, status: int) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()


def _tunnel(caller: socket.socket, target: socket.socket) -> None:
    others = {caller: target, target: caller}
    with suppress(OSError):
        while True:
            for ready in select.select(list(others), [], [])[0]:
                data = ready.recv(_CHUNK)
                if not data:
                    return
                others[ready].sendall(data)
