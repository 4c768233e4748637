"""The running operator: kopf's watches put keys on the queue, workers take them off and visit the models in threads.

kopf gives login, watches, liveness and shutdown, and nothing else. Its handlers here are of the `event` kind, which
store nothing on the objects: no finalizer, no annotation. All else would write to the WhisperModel.
"""

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kopf

from whisper_operator.api import names
from whisper_operator.api.names import ModelKey
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient, connect
from whisper_operator.kube.errors import KubeError
from whisper_operator.queue import WorkQueue
from whisper_operator.reconcile.reconciler import Reconciler
from whisper_operator.settings import Settings

_log = logging.getLogger(__name__)

#: Visits at one time. Each is a thread that mostly waits for the API server.
WORKERS = 8
#: A model is visited at least this often, in seconds, give or take a third: whatever event was lost.
RESYNC_SECONDS = 300.0
#: A key that waits, or a visit that lasts, longer than this means that the queue has stopped.
STALLED_SECONDS = 180.0
#: How long the API server, or the resource's definition, may be missing at the start, in seconds.
_PATIENCE_SECONDS = 60.0
_EXIT_SECONDS = 20.0


class StartError(Exception):
    """The operator cannot start; the text says why and what to do."""


def run(settings: Settings) -> None:
    """Run until a signal ends it.

    Raises:
        StartError: there is no API server, or it does not know WhisperModels.
    """
    try:
        client = connect(WORKERS)
    except KubeError as error:
        raise StartError(f"{error}: run in a cluster, or set KUBECONFIG") from error
    _await_resource(client)
    operator = Operator(settings, client)
    kopf.run(
        registry=operator.registry,
        settings=operator.kopf_settings,
        standalone=True,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        liveness_endpoint=f"http://0.0.0.0:{settings.probe_port}/healthz",
    )


def _await_resource(client: KubeClient) -> None:
    """Wait a while for the resource: kopf, which looks for it once, would never watch one that comes later."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            if client.serves(kinds.MODEL):
                return
            trouble = "the API server does not know WhisperModels: apply crds/whispermodels.yaml"
        except KubeError as error:
            trouble = f"the API server cannot be asked for WhisperModels: {error}"
        if time.monotonic() > deadline:
            raise StartError(trouble)
        _log.warning("waiting: %s", trouble)
        time.sleep(2)


class Operator:
    """What runs inside kopf: the queue, its workers, and the handlers that feed it."""

    def __init__(self, settings: Settings, client: KubeClient) -> None:
        self.registry = kopf.OperatorRegistry()
        self.kopf_settings = _kopf_settings()
        self._reconciler = Reconciler(client, settings)
        self.queue: WorkQueue[ModelKey] | None = None
        self._workers: list[asyncio.Task[None]] = []
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="visit")
        self._register()

    def _register(self) -> None:
        kopf.on.login(registry=self.registry)(kopf.login_via_client)
        kopf.on.startup(registry=self.registry)(self._start)
        kopf.on.cleanup(registry=self.registry)(self._stop)
        kopf.on.probe(registry=self.registry, id="queue")(self.probe)
        kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=self.registry)(self._model_event)
        for kind in kinds.CHILDREN:
            kopf.on.event(kind.group, kind.version, kind.plural, registry=self.registry)(self._child_event)

    async def _start(self, **_: Any) -> None:
        self.queue = WorkQueue()
        self._workers = [asyncio.create_task(self._work(self.queue)) for _ in range(WORKERS)]
        _log.info("the operator runs")

    async def _stop(self, **_: Any) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _model_event(self, namespace: str | None, name: str, **_: Any) -> None:
        self._add(namespace, name)

    async def _child_event(self, namespace: str | None, labels: Mapping[str, str], **_: Any) -> None:
        self._add(namespace, labels.get(names.LABEL_MODEL))

    def _add(self, namespace: str | None, model: str | None) -> None:
        if self.queue is not None and namespace is not None and model is not None:
            self.queue.add(ModelKey(namespace, model))

    async def probe(self, **_: Any) -> float:
        """Return for how long the oldest key has been waiting; fail when the queue has stopped moving."""
        oldest = self.queue.oldest() if self.queue is not None else 0.0
        if oldest > STALLED_SECONDS:
            raise kopf.PermanentError(f"the work queue has not moved for {oldest:.0f} s")
        return round(oldest, 3)

    async def _work(self, queue: WorkQueue[ModelKey]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            key = await queue.get()
            try:
                visit = await loop.run_in_executor(self._threads, self._reconciler.visit, key)
            except KubeError as error:
                _log.warning("visit again in %.1f s: %s", queue.failed(key), error, extra={"model": str(key)})
            except Exception:  # noqa: BLE001 - a defect of ours: told in full, and the other models go on
                _log.exception("visit again in %.1f s", queue.failed(key), extra={"model": str(key)})
            else:
                asked = visit.look_again.total_seconds() if visit.look_again is not None else RESYNC_SECONDS
                queue.done(key, min(asked, _resync()) if visit.exists else None)


def _resync() -> float:
    return RESYNC_SECONDS * random.uniform(2 / 3, 4 / 3)  # noqa: S311 - spreads the load, keeps no secret


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # events about WhisperModels are written by the visit, after its status
    settings.scanning.disabled = True  # needs rights on definitions and namespaces; the resource is there by now
    settings.networking.request_timeout = 30
    # An API server that restarts is back within seconds: never sleep much longer than that.
    settings.networking.error_backoffs = (0.5, 1, 2, 3) + (5,) * 20
    settings.process.ultimate_exiting_timeout = _EXIT_SECONDS
    for kind in kinds.CHILDREN:
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = names.MANAGED
    return settings
