"""Servers that prove themselves with a certificate of a company's own authority, which nobody else trusts."""

import ssl
from pathlib import Path

from tests.cluster import certificates


class Authority:
    """An authority with its certificate in a file, as a company hands it to its people."""

    def __init__(self, folder: Path, name: str = "company") -> None:
        self._signer = certificates.Authority(folder / f"{name}-authority")
        self.file = self._signer.certificate

    def server(self, *names: str) -> ssl.SSLContext:
        """Return what a server at `names` (addresses or host names) proves itself with."""
        pair = self._signer.issue(names[0], addresses=names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        return context
