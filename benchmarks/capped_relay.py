"""A TCP relay whose connections are each held to a rate, as one connection to an object store is.

Bytes pass through the kernel alone (splice), which also paces them (SO_MAX_PACING_RATE), so that the relay costs the
contestants next to no processor time. It is a process of its own, `python -m benchmarks.capped_relay HOST PORT RATE`,
and prints the port that it listens on.
"""

import os
import socket
import sys
import threading
from contextlib import suppress

_SO_MAX_PACING_RATE = 47
_PIPE_BYTES = 1 << 20


def serve(target: tuple[str, int], bytes_per_second: int) -> None:
    """Relay a free port of 127.0.0.1 to `target` until the process ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            caller, _ = listener.accept()
            caller.setsockopt(socket.SOL_SOCKET, _SO_MAX_PACING_RATE, bytes_per_second)
            server = socket.create_connection(target)
            for source, sink in ((caller, server), (server, caller)):
                threading.Thread(target=_move, args=(source, sink), daemon=True).start()


def _move(source: socket.socket, sink: socket.socket) -> None:
    reading, writing = os.pipe()
    with suppress(OSError):
        while count := os.splice(source.fileno(), writing, _PIPE_BYTES):
            while count:
                count -= os.splice(reading, sink.fileno(), count)
    for descriptor in (reading, writing):
        os.close(descriptor)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    serve((sys.argv[1], int(sys.argv[2])), int(sys.argv[3]))
