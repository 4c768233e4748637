"""Serves the files of a folder by S3's GetObject, straight from the page cache (sendfile).

A stand-in for an object store that is elsewhere, and so takes no processor time from the machine that pulls; versitygw
and others take as much as the pull itself. Credentials are not looked at. A process of its own:
`python -m benchmarks.s3_files FOLDER` prints the port that it listens on; /BUCKET/NAME is the file NAME.
"""

import os
import re
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = Path()

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        with (self.folder / Path(self.path.partition("?")[0]).name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            asked = _RANGE.fullmatch(self.headers.get("Range", ""))
            start = int(asked[1]) if asked else 0
            stop = min(int(asked[2]) + 1, size) if asked and asked[2] else size
            self.send_response(206 if asked else 200)
            self.send_header("ETag", f'"{size:032x}"')
            self.send_header("Last-Modified", self.date_time_string())
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(stop - start))
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
            self.end_headers()
            self.wfile.flush()
            while with_body and start < stop:
                start += os.sendfile(self.connection.fileno(), file.fileno(), start, stop - start)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (the base class's name)
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, as `resolve` does after the first byte, is no error."""


def main(folder: str) -> None:
    """Serve until the process ends."""
    _Handler.folder = Path(folder)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
