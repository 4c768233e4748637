"""Ends what waits for a network when the deadline has come.

A socket's own time-out begins anew with each byte: a server that sends one now and then would hold a pull for ever.
"""

import math
import socket
import threading
from contextlib import suppress
from weakref import WeakSet

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from whisper_loader.deadline import Deadline


class Watchdog:
    """Shuts the sockets that it watches at the deadline: whoever reads from one of them is told that it broke off."""

    def __init__(self, deadline: Deadline) -> None:
        self._sockets: WeakSet[socket.socket] = WeakSet()
        seconds = deadline.remaining(math.inf)
        if math.isfinite(seconds):
            timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._bark)
            timer.daemon = True
            timer.start()

    def watch(self, connection: socket.socket) -> None:
        """Watch a socket for as long as anybody else holds it."""
        self._sockets.add(connection)

    def _bark(self) -> None:
        for connection in list(self._sockets):
            with suppress(OSError):
                # Not the TLS socket's own method, which would take the TLS state from under the thread that reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


def watched_pools(watchdog: Watchdog) -> dict[str, type[HTTPConnectionPool]]:
    """Return urllib3's pools by scheme, with connections that `watchdog` watches."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            watchdog.watch(self.sock)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            watchdog.watch(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
