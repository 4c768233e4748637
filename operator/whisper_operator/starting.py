"""The operator's process from its start to its end: probes, the resource, the Lease, and then the running operator."""

import contextlib
import gc
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import NoReturn

from whisper_operator.app import WORKERS, Operator
from whisper_operator.election import Election
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient, connect
from whisper_operator.kube.errors import KubeError
from whisper_operator.kube.store import Store
from whisper_operator.kube.territory import allowed
from whisper_operator.metrics import Metrics
from whisper_operator.probes import Probes
from whisper_operator.settings import Settings

_log = logging.getLogger(__name__)

#: How long the API server, or the resource's definition, may be missing at the start, in seconds.
_PATIENCE_SECONDS = 60.0
_EXIT_LOST = 1
#: New objects before the youngest are looked through for rings that nobody refers to; collections of a generation
#: before the next older one is. Python's 700, 10 and 10 look through all that is known of the cluster so often that it
#: took an eighth of the time with 300 models, and more of it the more there are: most of it lives as long as they do.
_COLLECT_AFTER = (20_000, 20, 50)


class StartError(Exception):
    """The operator cannot start, or has to start anew; the text says why and what to do."""


def run(settings: Settings) -> None:
    """Run until a signal ends it; with a Lease, wait until this operator is the one to work.

    Raises:
        StartError: there is no API server, or it does not know WhisperModels, or no longer.
    """
    metrics = Metrics()
    probes = Probes(metrics)
    stop = _stopped_by_signals()
    with probes.serve(settings.probe_port):
        try:
            store = Store()
            client = connect(WORKERS, metrics.count_request, store.put)
        except KubeError as error:
            raise StartError(f"{error}: run in a cluster, or set KUBECONFIG") from error
        _await_resource(client, stop)
        election = _stand_for_election(client, settings) if settings.lease_namespace else None
        if election is not None:
            # That one stands by is as it should be, and no reason to hold up a rollout.
            probes.ready = lambda: None
            election.await_victory(stop)
            if stop.is_set():
                election.resign()  # it may have been won at that very moment
                return
            _log.info("leading")
        if stop.is_set():
            return
        metrics.leader.set(1)
        served = allowed(client, settings.namespaces) or settings.namespaces
        _collect_garbage_seldom()
        operator = Operator(settings, client, store, metrics, stop, served)
        probes.alive, probes.ready = operator.trouble, operator.unready
        with _known_kinds():
            operator.run()
        if election is not None and operator.at_rest:
            election.resign()


@contextlib.contextmanager
def _known_kinds() -> Iterator[None]:
    """Say why kopf has ended when a watch was not found: an API server that has just started knows no definitions."""
    try:
        yield
    except Exception as error:
        if getattr(error, "status", None) != HTTPStatus.NOT_FOUND:  # kopf keeps the classes of its errors to itself
            raise
        raise StartError(
            "the API server no longer knows a kind that is watched: it may just have started, and this operator starts "
            "anew; if that recurs, apply crds/whispermodels.yaml"
        ) from error


def _collect_garbage_seldom() -> None:
    gc.collect()
    gc.freeze()  # what has been imported stays
    gc.set_threshold(*_COLLECT_AFTER)


def _stopped_by_signals() -> threading.Event:
    """Return what signals set, until kopf sees to them: the first process of a container is not ended by them else."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _await_resource(client: KubeClient, stop: threading.Event) -> None:
    """Wait a while for the resource: kopf, which looks for it once, would never watch one that comes later."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not stop.is_set():
        try:
            if client.serves(kinds.MODEL):
                return
            trouble = "the API server does not know WhisperModels: apply crds/whispermodels.yaml"
        except KubeError as error:
            trouble = f"the API server cannot be asked for WhisperModels: {error}"
        if time.monotonic() > deadline:
            raise StartError(trouble)
        _log.warning("waiting: %s", trouble)
        stop.wait(2)


def _stand_for_election(client: KubeClient, settings: Settings) -> Election:
    identity = f"{socket.gethostname()}_{os.getpid()}"
    election = Election(client.api, settings.lease_namespace, settings.lease_name, identity, _lost)
    election.start()
    _log.info("standing by for the lease %s/%s as %s", settings.lease_namespace, settings.lease_name, identity)
    return election


def _lost() -> NoReturn:
    """End at once, whatever is under way: another operator may be at work within seconds."""
    _log.critical("the lease could not be renewed: another operator may take over, so this one ends")
    logging.shutdown()
    os._exit(_EXIT_LOST)
