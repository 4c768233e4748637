"""The running operator: kopf's watches put keys on the queue, workers take them off and visit the models in threads.

kopf gives login, watches, liveness and shutdown, and nothing else. Its handlers here are of the `event` kind, which
store nothing on the objects: no finalizer, no annotation. All else would write to the WhisperModel.
"""

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import kopf

from whisper_operator.api.names import ModelKey
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.errors import KubeError
from whisper_operator.kube.kinds import Kind
from whisper_operator.kube.mirror import Mirror
from whisper_operator.kube.store import Store, owner_of
from whisper_operator.kube.territory import allowed
from whisper_operator.metrics import Metrics
from whisper_operator.queue import WorkQueue
from whisper_operator.reconcile.reconciler import Reconciler
from whisper_operator.settings import Settings
from whisper_operator.watching import kopf_settings

_log = logging.getLogger(__name__)

#: Visits at one time. Each is a thread that mostly waits for the API server.
WORKERS = 8
#: A model is visited, and all is listed, at least this often, in seconds, give or take a third: for lost events.
RESYNC_SECONDS = 300.0
#: A key that waits, or a visit that lasts, longer than this means that the queue has stopped.
STALLED_SECONDS = 180.0
#: How long visits may take to end, once the operator is told to, before the Lease is left to run out.
_LAST_VISITS_SECONDS = 10.0
#: After a watch has begun anew, what it did not tell of is listed in so many seconds.
_RELIST_SECONDS = 5.0
_AGAIN_SECONDS = 2.0
#: How often it is asked whether namespaces that are to be served have come or gone.
_TERRITORY_SECONDS = 15.0
_ASKED_SECONDS = 3.0


class Operator:
    """What runs inside kopf: the queue, its workers, and the handlers that feed it."""

    def __init__(
        self,
        settings: Settings,
        client: KubeClient,
        store: Store,
        metrics: Metrics,
        stop: threading.Event,
        served: tuple[str, ...],
    ) -> None:
        self._settings = settings
        self._client = client
        self._served = served
        self.registry = kopf.OperatorRegistry()
        self.kopf_settings = kopf_settings()
        self._metrics = metrics
        self._stop_flag = stop
        self._store = store
        self._mirror = Mirror(client, store)
        self._reconciler = Reconciler(client, self._mirror, settings, metrics)
        #: A watch has begun, or begun anew.
        self._listed = asyncio.Event()
        self._queue: WorkQueue[ModelKey] | None = None
        #: Whether no visit is under way any more, and none will be.
        self.at_rest = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workers: list[asyncio.Task[None]] = []
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="visit")
        self._register()

    def run(self) -> None:
        """Run until the stop flag is set; whatever else ends kopf is raised."""
        kopf.run(
            registry=self.registry,
            settings=self.kopf_settings,
            standalone=True,
            clusterwide=not self._served,
            namespaces=self._served,
            stop_flag=self._stop_flag,
        )

    def _register(self) -> None:
        kopf.on.login(registry=self.registry)(kopf.login_via_client)
        kopf.on.startup(registry=self.registry)(self._start)
        kopf.on.cleanup(registry=self.registry)(self._stop)
        for kind in (kinds.MODEL, *kinds.CHILDREN):
            note = partial(self._note, kind)
            kopf.on.event(kind.group, kind.version, kind.plural, registry=self.registry, id=kind.plural)(note)

    async def _start(self, **_: Any) -> None:
        if not await self._relist():
            await self._look_at_territory()
            raise kopf.TemporaryError("nothing can be done before all is listed", delay=_AGAIN_SECONDS)
        self.begin(WorkQueue())
        work = [self._work(self.queue) for _ in range(WORKERS)]
        self._workers = [asyncio.create_task(one) for one in (*work, self._keep_right(), self._keep_territory())]
        if left_out := sorted(set(self._settings.namespaces) - set(self._served)):
            _log.error("not served, since they are gone or this operator has no rights there: %s", ", ".join(left_out))
        _log.info("the operator runs")

    def begin(self, queue: WorkQueue[ModelKey]) -> None:
        """Take keys through `queue` from now on; called in the event loop that it belongs to."""
        self._loop = asyncio.get_running_loop()
        self._queue = queue
        self._metrics.watch_queue(self._depth, self._oldest)

    @property
    def queue(self) -> WorkQueue[ModelKey]:
        """The queue, once the operator has begun."""
        if self._queue is None:
            raise RuntimeError("the operator has not begun")
        return self._queue

    async def _stop(self, **_: Any) -> None:
        """Begin no other visit, and let those that are under way end."""
        self._stop_flag.set()  # a thread of kopf's waits for it, whatever else has ended kopf
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        try:
            ended = asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
            await asyncio.wait_for(ended, _LAST_VISITS_SECONDS)
            self.at_rest = True
        except TimeoutError:
            _log.warning("visits are still under way: the lease is left to run out")

    async def _note(self, kind: Kind, event: kopf.RawEvent, **_: Any) -> None:
        """Take note of what a watch tells, and have the model visited that it is about."""
        body, what = dict(event["object"]), event["type"]
        if what == "DELETED":
            self._store.remove(kind, body)
        else:
            self._store.put(kind, body)
        if what is None:  # told by the list that a watch begins with
            self._listed.set()
        owner = owner_of(kind, body)
        # The metrics in an autoscaler's status change all the time, and nothing follows from them.
        if owner is not None and (kind is not kinds.AUTOSCALER or what == "DELETED"):
            self.queue.add(owner)
        if what == "DELETED" and kind is kinds.MODEL:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, self._reconciler.gone, body)

    async def _keep_right(self) -> None:
        """List everything now and then, and soon after a watch has begun: deletions before that are in no event."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._listed.wait(), resync_seconds())
            await asyncio.sleep(_RELIST_SECONDS)
            self._listed.clear()
            if not await self._relist():
                self._listed.set()

    async def _keep_territory(self) -> None:
        """Ask now and then whether another set of namespaces can be served."""
        while self._settings.namespaces:
            await asyncio.sleep(_TERRITORY_SECONDS)
            await self._look_at_territory()

    async def _look_at_territory(self) -> None:
        """End when another set of namespaces can be served, to start with that: kopf's watches cannot be changed."""
        found = await asyncio.to_thread(allowed, self._client, self._settings.namespaces)
        if found is not None and found != self._served:
            _log.warning("this operator may now serve %s: it ends, to start anew with these", ", ".join(found))
            self._stop_flag.set()

    async def _relist(self) -> bool:
        """List everything, have those visited of whom something was not known, and tell whether that went well."""
        try:
            changed = await asyncio.to_thread(self._mirror.relist, self._served)
        except KubeError as error:
            _log.warning("listing everything again in a few seconds: %s", error)
            return False
        if self._queue is not None:
            for key in changed:
                self._queue.add(key)
        return True

    def trouble(self) -> str | None:
        """Return what is wrong, if anything: a hanging event loop, a queue that does not move. For other threads."""
        try:
            oldest = self._oldest()
        except TimeoutError:
            return f"the event loop has not answered for {_ASKED_SECONDS:.0f} s"
        return f"the work queue has not moved for {oldest:.0f} s" if oldest > STALLED_SECONDS else None

    def unready(self) -> str | None:
        """Return why the operator is not at work yet, or what is wrong with it. For other threads."""
        return "the operator is starting" if self._queue is None else self.trouble()

    def _oldest(self) -> float:
        return self._ask(lambda queue: queue.oldest())

    def _depth(self) -> float:
        return self._ask(lambda queue: queue.depth)

    def _ask(self, question: Callable[[WorkQueue[ModelKey]], float]) -> float:
        """Return the queue's answer; the queue belongs to the event loop, and so is asked there."""
        loop, queue = self._loop, self._queue
        if loop is None or queue is None or loop.is_closed():
            return 0.0

        async def answer() -> float:
            return question(queue)

        return asyncio.run_coroutine_threadsafe(answer(), loop).result(_ASKED_SECONDS)

    async def _work(self, queue: WorkQueue[ModelKey]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            key = await queue.get()
            try:
                visit = await loop.run_in_executor(self._threads, self._reconciler.visit, key)
            except KubeError as error:
                self._metrics.visit_errors.labels("api").inc()
                _log.warning("visit again in %.1f s: %s", queue.failed(key), error, extra={"model": str(key)})
            except Exception:  # noqa: BLE001 - a defect of ours: told in full, and the other models go on
                self._metrics.visit_errors.labels("defect").inc()
                _log.exception("visit again in %.1f s", queue.failed(key), extra={"model": str(key)})
            else:
                asked = visit.look_again.total_seconds() if visit.look_again is not None else RESYNC_SECONDS
                queue.done(key, min(asked, resync_seconds()) if visit.exists else None)


def resync_seconds() -> float:
    """Return when a model that nothing happens to is visited again, or all is listed: spread, so not all at once."""
    return RESYNC_SECONDS * random.uniform(2 / 3, 4 / 3)  # noqa: S311 - spreads the load, keeps no secret
