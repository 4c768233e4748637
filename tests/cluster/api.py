"""Asks the API server, without a process for each question: for what is looked at until it has come true."""

import json
import ssl
from pathlib import Path
from typing import Any

import urllib3

from tests.cluster.errors import ClusterError

_SECONDS = 240


class Api:
    """The API server as the user of a kubeconfig that lies beside this user's certificate."""

    def __init__(self, kubeconfig: Path) -> None:
        self._server = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        tls = ssl.create_default_context(cafile=kubeconfig.parent / "ca.crt")
        tls.load_cert_chain(kubeconfig.with_suffix(".crt"), kubeconfig.with_suffix(".key"))
        self._pool = urllib3.PoolManager(ssl_context=tls, timeout=_SECONDS)

    def get(self, path: str) -> Any | None:
        """What is at `path`, such as /api/v1/nodes; None when there is nothing.

        Raises:
            ClusterError: The API server is not reached, or refuses.
        """
        try:
            answer = self._pool.request("GET", self._server + path)
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(f"GET {path}: {error}") from error
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise ClusterError(f"GET {path}: {answer.status} {answer.data.decode(errors='replace')}")
        return answer.json()
