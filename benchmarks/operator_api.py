"""What a benchmark asks of an API server: many objects made at once, and watches that cost little to read."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import kubernetes.client
import kubernetes.config
import msgspec
import urllib3

JSON: TypeAlias = dict[str, Any]

_CONNECTIONS = 32
_DELETED = 404


class Event(msgspec.Struct):
    """One event of a watch: ADDED, MODIFIED or DELETED, and the object."""

    type: str
    object: JSON


class API:
    """The API server, as the user of a kubeconfig. For any thread."""

    def __init__(self, kubeconfig: Path) -> None:
        configuration = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        configuration.connection_pool_maxsize = _CONNECTIONS
        self._host = configuration.host
        self._pool: urllib3.PoolManager = kubernetes.client.ApiClient(configuration).rest_client.pool_manager

    def post(self, path: str, body: JSON) -> JSON:
        """Create an object; one that is gone meanwhile is no error."""
        headers = {"Content-Type": "application/json"}
        answer = self._pool.request("POST", self._host + path, body=msgspec.json.encode(body), headers=headers)
        if answer.status >= 300 and answer.status != _DELETED:
            raise RuntimeError(f"POST {path}: {answer.data.decode()}")
        found: JSON = msgspec.json.decode(answer.data)
        return found

    def get(self, path: str) -> JSON:
        """Return an object or a list."""
        found: JSON = msgspec.json.decode(self._pool.request("GET", self._host + path).data)
        return found

    @contextmanager
    def watching(self, path: str, told: Callable[[Event], None]) -> Iterator[None]:
        """Call `told` in a thread with each event of a collection, from what is there on, while the block runs."""
        url = f"{self._host}{path}{'&' if '?' in path else '?'}watch=true&timeoutSeconds=3600"
        stream = self._pool.request("GET", url, preload_content=False, timeout=urllib3.Timeout(connect=5, read=None))

        def read() -> None:
            rest = b""
            for chunk in stream.stream(1 << 16):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    told(msgspec.json.decode(line, type=Event))

        def run() -> None:
            try:
                read()
            except (urllib3.exceptions.HTTPError, OSError, ValueError):
                if not ended.is_set():
                    raise

        ended = threading.Event()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            stream.shutdown()
