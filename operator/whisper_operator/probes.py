"""The port for kubelet and Prometheus: GET /healthz, /readyz and /metrics, over plain HTTP.

It is up from the first moment, also while another operator holds the Lease.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from whisper_operator.metrics import Metrics

#: Returns what is wrong, or None when nothing is.
Check = Callable[[], str | None]

#: A caller that says nothing for so long, in seconds, is hung up on.
_PATIENCE_SECONDS = 5.0


class Probes:
    """What the port answers from: `alive` and `ready` are replaced as the operator starts up."""

    def __init__(self, metrics: Metrics) -> None:
        self.alive: Check = lambda: None
        self.ready: Check = lambda: "the operator is starting"
        self.metrics = metrics

    def answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Return status, content type and body for a GET of `path`."""
        match path.partition("?")[0]:
            case "/healthz":
                return _told(self.alive())
            case "/readyz":
                return _told(self.ready())
            case "/metrics":
                return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self.metrics.registry)
        return HTTPStatus.NOT_FOUND, "text/plain", b"there are /healthz, /readyz and /metrics\n"

    @contextmanager
    def serve(self, port: int) -> Iterator[None]:
        """Answer on `port` of all addresses while the block runs."""
        with ThreadingHTTPServer(("", port), _handler(self)) as server:
            thread = threading.Thread(target=server.serve_forever, name="probes", daemon=True)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()


def _told(trouble: str | None) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.OK if trouble is None else HTTPStatus.SERVICE_UNAVAILABLE
    return status, "text/plain; charset=utf-8", f"{trouble or 'ok'}\n".encode()


def _handler(probes: Probes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE_SECONDS

        def do_GET(self) -> None:
            status, content_type, body = probes.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: kubelet asks every few seconds."""

    return Handler
