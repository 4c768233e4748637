"""A TCP relay that hangs up: breaks connections off in the middle of an answer, as networks do."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_CHUNK = 64 * 1024


@dataclass
class Relay:
    """A relay that runs.

    Attributes:
        endpoint: URL to use in place of the target's.
        cuts: connections that were broken off so far.
        heard: what callers have said so far.
    """

    target: tuple[str, int]
    after_bytes: int
    times: int
    when_cut: Callable[[], None]
    listener: socket.socket
    cuts: int = 0
    heard: bytearray = field(default_factory=bytearray)
    open_sockets: list[socket.socket] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        host, port = self.listener.getsockname()
        return f"http://{host}:{port}"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self.listener.accept()
                threading.Thread(target=self._relay, args=(caller,), daemon=True).start()

    def _relay(self, caller: socket.socket) -> None:
        server = socket.create_connection(self.target)
        self.open_sockets += [caller, server]
        threading.Thread(target=_copy, args=(caller, server, self.heard), daemon=True).start()
        answered = 0
        with suppress(OSError), caller, server:
            while data := server.recv(_CHUNK):
                answered += len(data)
                if answered > self.after_bytes and self.cuts < self.times:
                    self.cuts += 1
                    self.when_cut()
                    break
                caller.sendall(data)
            # A close alone would wait for the other thread's read.
            for connection in (caller, server):
                connection.shutdown(socket.SHUT_RDWR)


def _copy(source: socket.socket, target: socket.socket, heard: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            heard += data
            target.sendall(data)


@contextmanager
def cut_off(
    target: tuple[str, int], *, after_bytes: int, times: int, when_cut: Callable[[], None] = lambda: None
) -> Iterator[Relay]:
    """Relay to `target`; hang up the first `times` connections that have answered more than `after_bytes`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = Relay(target, after_bytes, times, when_cut, listener)
        thread = threading.Thread(target=relay.serve, daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in relay.open_sockets:
                connection.close()
