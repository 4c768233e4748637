"""Which ports each WhisperModel is served on: the first that are free, or those that an option fixes."""

import errno
import ipaddress
import socket
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from whisper_operator.api.names import GRPC_PORT, HTTP_PORT, PROBE_PORT

_STEP = 10
_MOST = 100
#: Hosts that stand for every address of this machine.
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound


class PortsError(Exception):
    """The ports that are wanted cannot be had; the text says why, and what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Ports:
    """The three ports of one server."""

    grpc: int
    http: int
    probe: int

    def __iter__(self) -> Iterator[int]:
        return iter((self.grpc, self.http, self.probe))

    def page_address(self, host: str, scheme: str) -> str:
        """Return where a browser of this machine finds the page to try the model, by the name that it trusts most."""
        name = "localhost" if host in _EVERYWHERE else f"[{host}]" if ":" in host else host
        return f"{scheme}://{name}:{self.http}/"

    @classmethod
    def parse(cls, text: str) -> "Ports":
        """Return the ports that GRPC,HTTP,PROBE names; ValueError when it names none."""
        numbers = [int(part) if part.isascii() and part.isdecimal() else 0 for part in text.split(",")]
        if len(numbers) != 3 or len(set(numbers)) != 3 or not all(0 < number < 1 << 16 for number in numbers):  # noqa: PLR2004
            raise ValueError(f"{text!r} is not three different ports, as 50051,8000,8001")
        return cls(*numbers)


def is_private(host: str) -> bool:
    """Tell whether what listens at `host` can be reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_free(host: str, port: int) -> bool:
    """Tell whether nobody listens there; whatever else is wrong with the address is not asked."""
    error = _bind(host, port)
    return error is None or error.errno != errno.EADDRINUSE


def trouble_with(host: str) -> str:
    """Return why nothing can listen at that address, or nothing."""
    error = _bind(host, 0)
    return "" if error is None else error.strerror or str(error)


def _bind(host: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def choose(name: str, fixed: Ports | None, given: Collection[Ports], free: Callable[[int], bool]) -> Ports:
    """Return the ports of a WhisperModel that has none yet; `given` are those of the others.

    They are 50051, 8000 and 8001 for the first, 50061, 8010 and 8011 for the second, and so on.

    Raises:
        PortsError: when they are taken.
    """
    taken = {port for ports in given for port in ports}
    if fixed is not None:
        if busy := [str(port) for port in fixed if port in taken or not free(port)]:
            text = f"port {', '.join(busy)} is in use: end what listens there, or name others"
            raise PortsError(f"{text} (--ports {name}=GRPC,HTTP,PROBE)")
        return fixed
    for number in range(0, _MOST * _STEP, _STEP):
        ports = Ports(GRPC_PORT + number, HTTP_PORT + number, PROBE_PORT + number)
        if taken.isdisjoint(ports) and all(map(free, ports)):
            return ports
    raise PortsError(f"no free ports were found: name some (--ports {name}=GRPC,HTTP,PROBE)")
