"""The queue with threads behind it: callers await their rows, workers take batches."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from whisper_server.engine.schedule.errors import (
    BrokenRunnerError,
    RowDroppedError,
    RowExpiredError,
    SchedulerClosedError,
)
from whisper_server.engine.schedule.queue import RowQueue
from whisper_server.engine.schedule.rows import Batch, OwnerId, Row, RowClass, ScheduleSettings
from whisper_server.engine.schedule.runs import Outcome, Runner, run_in_halves

P = TypeVar("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Who is told what happens; called from any thread, so it must be quick and must not raise."""

    def queued(self, rows: int) -> None:
        """So many rows wait now."""

    def waited(self, seconds: float) -> None:
        """A row's turn has come after so long."""

    def ran(self, rows: int, seconds: float) -> None:
        """A batch of so many rows took so long."""


@dataclass(frozen=True, slots=True)
class _Pending(Generic[P, R]):
    """A row's payload, and who waits for its result."""

    payload: P
    result: "asyncio.Future[R]"


class Scheduler(Generic[P, R]):
    """Runs rows of many callers in batches. Made, used and closed in one event loop.

    Attributes:
        broken: set when the runner is broken: every row has failed, and every later one will.
    """

    def __init__(self, runner: Runner[P, R], settings: ScheduleSettings, observer: Observer) -> None:
        self.broken = asyncio.Event()
        self._runner = runner
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._queue = RowQueue(settings)
        self._pending: dict[int, _Pending[P, R]] = {}  # waiting and running; a row that is not here is wanted no more
        self._changed = threading.Condition()  # guards all that the threads share
        self._end: Exception | None = None
        self._last_number = 0
        self._idle = settings.workers
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"whisper-model-{number}", daemon=True)
            for number in range(settings.workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def full(self) -> bool:
        """Whether as many rows wait as may."""
        with self._changed:
            return self._queue.full

    async def submit(
        self,
        owner: OwnerId,
        key: Hashable,
        payload: P,
        *,
        row_class: RowClass = RowClass.NORMAL,
        deadline: float | None = None,
        admitted: bool = False,
    ) -> R:
        """Return what the runner makes of `payload`.

        A caller that is cancelled takes its row out of the queue at once; if it runs already, its result is dropped.

        Args:
            owner: whose it is; owners take turns.
            key: rows may share a batch exactly when their keys are equal.
            payload: what the runner gets.
            row_class: what goes first.
            deadline: `time.monotonic()` after which the result is worth nothing.
            admitted: whether work for its request has begun: it is then let in even when the queue is full. Callers
                bound how many of these wait.

        Raises:
            QueueFullError: when as many rows wait as may.
            RowDroppedError: when a partial row had to make room.
            RowExpiredError: when the deadline passed.
            SchedulerClosedError: when the scheduler ends before the row's turn.
            BrokenRunnerError: when the runner is broken.
            Exception: what the runner raises for this payload by itself.
        """
        number, result = self._enter(owner, key, payload, row_class, admitted=admitted)
        limit = asyncio.timeout_at(deadline)
        try:
            async with limit:
                return await result
        except TimeoutError as error:
            if not limit.expired():
                raise  # It is the runner's own.
            raise RowExpiredError("the deadline passed before the model was done") from error
        finally:
            self._leave(number)

    async def close(self) -> None:
        """Fail what waits, let what runs finish, and end the threads."""
        self._stop(SchedulerClosedError("the server ends"))
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _enter(
        self, owner: OwnerId, key: Hashable, payload: P, row_class: RowClass, *, admitted: bool
    ) -> "tuple[int, asyncio.Future[R]]":
        with self._changed:
            if self._end is not None:
                raise self._end
            row = Row(self._last_number + 1, owner, key, row_class, time.monotonic())
            dropped = self._queue.add(row, admitted=admitted)
            self._last_number = row.number
            result: asyncio.Future[R] = self._loop.create_future()
            self._pending[row.number] = _Pending(payload, result)
            self._tell_depth()
        if dropped is not None:
            self._fail((dropped,), RowDroppedError("others needed the room"))
        return row.number, result

    def _leave(self, number: int) -> None:
        with self._changed:
            self._pending.pop(number, None)
            if self._queue.remove(number):
                self._tell_depth()

    def _tell_depth(self) -> None:
        self._observer.queued(len(self._queue))
        self._changed.notify_all()

    def _work(self, worker: int) -> None:
        try:
            while (batch := self._next_batch(worker)) is not None:
                self._run(batch)
                with self._changed:
                    self._idle += 1
                    self._changed.notify_all()
        except Exception as error:
            log.critical("the model cannot be run any more: %s", error, exc_info=error)
            broken = error if isinstance(error, BrokenRunnerError) else BrokenRunnerError(f"a defect: {error!r}")
            self._stop(broken)
            self._on_loop(self._break, broken)

    def _next_batch(self, worker: int) -> Batch | None:
        """Wait for a batch, and return it; None when the scheduler ends."""
        with self._changed:
            while self._end is None:
                now = time.monotonic()
                decision = self._queue.take(worker, self._idle, now)
                if isinstance(decision, Batch):
                    self._idle -= 1
                    for row in decision.rows:
                        self._observer.waited(now - row.arrived)
                    self._tell_depth()
                    return decision
                self._changed.wait(decision.seconds)
        return None

    def _run(self, batch: Batch) -> None:
        rows = batch.rows
        with self._changed:
            pending = [self._pending.get(row.number) for row in rows]
        wanted = [(row, entry) for row, entry in zip(rows, pending, strict=True) if entry is not None]
        timed = _Timed(self._runner, lambda size, seconds: self._learn(rows[0].key, size, seconds))
        outcomes = run_in_halves(
            timed,
            [entry.payload for _, entry in wanted],
            lambda place: self._is_wanted(wanted[place][0]),
            lambda size: self._note_too_large(rows[0].key, size),
        )
        for place, outcome in outcomes:
            self._on_loop(_deliver, wanted[place][1].result, outcome)

    def _is_wanted(self, row: Row) -> bool:
        with self._changed:
            return row.number in self._pending

    def _learn(self, key: Hashable, rows: int, seconds: float) -> None:
        with self._changed:
            self._queue.experience.learn(key, rows, seconds)
        self._observer.ran(rows, seconds)

    def _note_too_large(self, key: Hashable, rows: int) -> None:
        log.warning("a batch of %d windows does not fit the device's memory: smaller ones from now on", rows)
        with self._changed:
            self._queue.experience.note_too_large(key, rows)

    def _break(self, error: BrokenRunnerError) -> None:
        # What other workers still run as well: the device that gives those results can't be trusted.
        self.broken.set()
        for entry in list(self._pending.values()):
            _deliver(entry.result, Outcome(error=error))

    def _stop(self, why: Exception) -> None:
        """Let no more rows in, and fail those that wait."""
        with self._changed:
            if self._end is None:
                self._end = why
            rows = self._queue.clear()
            self._tell_depth()
        self._fail(rows, why)

    def _fail(self, rows: Sequence[Row], why: Exception) -> None:
        with self._changed:
            entries = [self._pending[row.number] for row in rows if row.number in self._pending]
        for entry in entries:
            self._on_loop(_deliver, entry.result, Outcome(error=why))

    def _on_loop(self, call: Callable[..., None], *arguments: Any) -> None:
        # A loop that has ended has nobody who waits.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)


@dataclass(frozen=True, slots=True)
class _Timed(Generic[P, R]):
    """A runner that tells how long each batch that ran took."""

    runner: Runner[P, R]
    tell: Callable[[int, float], None]

    def run(self, payloads: Any) -> Any:
        began = time.monotonic()
        results = self.runner.run(payloads)
        self.tell(len(payloads), time.monotonic() - began)
        return results


def _deliver(result: "asyncio.Future[R]", outcome: Outcome[R]) -> None:
    if result.done():
        return  # Its caller was cancelled meanwhile.
    if outcome.error is not None:
        result.set_exception(outcome.error)
    else:
        result.set_result(outcome.result)  # type: ignore[arg-type]  # without an error it is a result, None or not
