"""Ports for servers that are told where to listen."""

import random
import socket


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody listens on.

    Below the range that the kernel hands out for outgoing connections: a port from it could be taken by any
    connection of the machine before the server listens, or while it restarts.
    """
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as candidate:
            try:
                candidate.bind((address, port))
            except OSError:
                continue
            return port
