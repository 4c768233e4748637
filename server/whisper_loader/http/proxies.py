"""Which proxy leads to a URL: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as everywhere.

NO_PROXY takes what Kubernetes users write into it: names with all below them, addresses, networks (10.0.0.0/8), a port
behind any of the names, and * for all. The standard library's own reading of it knows no networks.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy of the environment.

    Attributes:
        url: without credentials.
        user: and its password; None when the proxy wants none.
    """

    url: str
    user: str | None
    password: str


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies by the scheme of the URL that they lead to, and the hosts that are reached without one."""

    by_scheme: Mapping[str, Proxy]
    direct: tuple[str, ...]

    @classmethod
    def from_environment(cls) -> "Proxies":
        """Read the variables, in lower or upper case.

        Raises:
            LoaderError: SpecInvalid for one that is no proxy's URL.
        """
        variables = getproxies()
        proxies = {scheme: _parse(scheme, variables[scheme]) for scheme in _PORTS if scheme in variables}
        return cls(proxies, tuple(entry.strip().lower() for entry in variables.get("no", "").split(",")))

    def find(self, url: str) -> Proxy | None:
        """Return the proxy to ask for `url`, an http(s) URL with a host; None to ask the host itself."""
        parts = urlsplit(url)
        proxy = self.by_scheme.get(parts.scheme)
        if proxy is None or any(_matches(entry, parts) for entry in self.direct):
            return None
        return proxy


def _parse(scheme: str, address: str) -> Proxy:
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, SplitResult("", "", "", "", "")
    if not host or parts.scheme not in _PORTS:
        name = f"{scheme.upper()}_PROXY"
        raise LoaderError(Reason.SPEC_INVALID, f"{name} must be a URL like http://proxy.example:3128")
    user = None if parts.username is None else unquote(parts.username)
    return Proxy(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", user, unquote(parts.password or ""))


def _matches(entry: str, url: SplitResult) -> bool:
    host = (url.hostname or "").rstrip(".")
    if not entry or entry == "*":
        return entry == "*"
    with suppress(ValueError):
        network = ip_network(entry.strip("[]"), strict=False)
        with suppress(ValueError):
            return ip_address(host) in network
        return False
    return _matches_name(entry, host, url.port or _PORTS[url.scheme])


def _matches_name(entry: str, host: str, port: int) -> bool:
    try:
        parts = urlsplit(f"//{entry}")
        name, wanted = (parts.hostname or "").removeprefix("*").strip("."), parts.port
    except ValueError:
        return False
    return bool(name) and wanted in (None, port) and (host == name or host.endswith(f".{name}"))
