"""What the HTTP servers of tests have in common: a thread of their own, TLS, and calm when a caller hangs up."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """A handler that writes no log: what matters of its requests is noted by the server's owner."""

    def handle(self) -> None:
        # A caller that hangs up, or that does not trust the certificate, is what some tests are about.
        with suppress(OSError):
            super().handle()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (the base class's name)
        """Stay quiet."""


@contextmanager
def serving(
    handler: type[Handler], owner: dict[str, object], tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[int]:
    """Serve on a free port of `host` until the block ends; yield the port.

    Args:
        handler: answers; each server gets a class of its own, with `owner`'s names in it.
        owner: what the handler answers from.
        tls: what the server proves itself with.
        host: an address of this machine.
    """
    server = ThreadingHTTPServer((host, 0), type("Handler", (handler,), owner))
    if tls is not None:
        # The handshake is for the thread of the connection: one that never ends must not keep out the others.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
