"""Whether anybody is connected to a port, by connections of this machine."""

import socket

import pytest

from whisper_server.rpc.connections import connected


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_has_clients_while_they_are_connected(family: socket.AddressFamily, address: str) -> None:
    with socket.create_server((address, 0), family=family) as listening:
        port: int = listening.getsockname()[1]
        assert not connected(port), "listening is not being connected"
        with socket.create_connection((address, port)):
            accepted, _ = listening.accept()
            with accepted:
                assert connected(port)
        assert not connected(port)
