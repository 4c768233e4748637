"""Which of several operators is at work: the one that holds the Lease, by the kubernetes package's leader election.

A follower waits here, before kopf starts, and so watches nothing and writes nothing. A leader that cannot renew its
Lease ends its process at once, before another can have taken over: what it was about to write is not written. One that
ends in good order gives the Lease back, and another goes on within a second.

https://kubernetes.io/docs/concepts/architecture/leases/#leader-election
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

import kubernetes.client
import urllib3.exceptions
from kubernetes.leaderelection.electionconfig import Config
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

_log = logging.getLogger(__name__)

#: An operator that died without a word is succeeded after this many seconds.
LEASE_SECONDS = 10
#: A leader that could not renew its Lease for this long ends: well before another may take over.
_RENEW_SECONDS = 6
_RETRY_SECONDS = 1
_LOOK_SECONDS = 0.2
#: To connect, and to read. Both together stay below the time to renew in, also when a call hangs.
_TIMEOUT = (1, 2)


class Election:
    """One candidate for the Lease `name` of `namespace`; `lost` is called, in another thread, when it leads no more."""

    def __init__(
        self, api: kubernetes.client.ApiClient, namespace: str, name: str, identity: str, lost: Callable[[], None]
    ) -> None:
        self._leases = _Leases(api)
        lock: Any = LeaseLock(name, namespace, identity)
        lock.api_instance = self._leases
        self._lock = lock
        self._leading = threading.Event()
        self._lost = lost

    def start(self) -> None:
        """Stand for election, and renew the Lease when it is won, until the process ends."""
        threading.Thread(target=self._run, name="election", daemon=True).start()

    def await_victory(self, stop: threading.Event) -> None:
        """Wait until this candidate leads, or `stop` is set."""
        while not stop.is_set() and not self._leading.wait(_LOOK_SECONDS):
            pass

    def resign(self) -> None:
        """Give the Lease back, so that another candidate need not wait until it runs out."""
        if not self._leading.is_set():
            return
        self._leases.close()
        try:
            lease = self._leases.last
            lease.spec.holder_identity = ""
            self._leases.give_back(lease)
        except kubernetes.client.ApiException as error:
            _log.warning("the lease could not be given back, and runs out in %d s: %s", LEASE_SECONDS, error.reason)

    def _run(self) -> None:
        try:
            LeaderElection(
                Config(
                    self._lock,
                    lease_duration=LEASE_SECONDS,
                    renew_deadline=_RENEW_SECONDS,
                    retry_period=_RETRY_SECONDS,
                    onstarted_leading=self._leading.set,
                    onstopped_leading=lambda: None,
                )
            ).run()
        except Exception:  # noqa: BLE001 - whatever it was, the Lease is not renewed any more
            _log.critical("the election has failed", exc_info=True)
        if not self._leases.closed:
            self._lost()


class _Leases:
    """What the election asks of the API server; with time limits, and no error that the package does not expect."""

    def __init__(self, api: kubernetes.client.ApiClient) -> None:
        self._api = kubernetes.client.CoordinationV1Api(api)
        self._turn = threading.Lock()
        self.closed = False
        self.last: Any = None

    def read_namespaced_lease(self, name: str, namespace: str) -> Any:
        return self._ask(self._api.read_namespaced_lease, name, namespace)

    def create_namespaced_lease(self, namespace: str, body: Any) -> Any:
        return self._ask(self._api.create_namespaced_lease, namespace, body)

    def replace_namespaced_lease(self, name: str, namespace: str, body: Any) -> Any:
        return self._ask(self._api.replace_namespaced_lease, name, namespace, body)

    def close(self) -> None:
        """Let the call that is under way end, and allow no other."""
        with self._turn:
            self.closed = True

    def give_back(self, lease: Any) -> None:
        """Write the Lease as it is to be left; the API server refuses it if somebody else has written it since."""
        metadata = lease.metadata
        self._call(self._api.replace_namespaced_lease, metadata.name, metadata.namespace, lease)

    def _ask(self, call: Callable[..., Any], *arguments: Any) -> Any:
        with self._turn:
            if self.closed:
                raise kubernetes.client.ApiException(status=0, reason="the candidate has withdrawn")
            self.last = self._call(call, *arguments)
            return self.last

    def _call(self, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments, _request_timeout=_TIMEOUT)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise kubernetes.client.ApiException(status=0, reason=str(error)) from error
