"""Any callers, any order: no row is lost, run twice, mixed or starved. The clock is the test's own."""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from whisper_server.engine.schedule.errors import QueueFullError
from whisper_server.engine.schedule.policy import SHORT_WORKER
from whisper_server.engine.schedule.queue import RowQueue
from whisper_server.engine.schedule.rows import Batch, Row, RowClass, ScheduleSettings

SETTINGS = ScheduleSettings(max_batch=4, max_batch_ms=1000, max_delay_ms=10, max_queued_windows=12, workers=2)
OWNERS = ("long", "short", "other", "another")


def seconds_of(rows: int) -> float:
    """What the device takes: it is the test's own, and regular."""
    return 0.2 + 0.2 * rows


class Callers(RuleBasedStateMachine):
    """Rows come, are given up, run and end, as hypothesis likes."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = RowQueue(SETTINGS)
        self.now = 0.0
        self.rows: dict[int, Row] = {}
        self.waiting: set[int] = set()
        self.gone: Counter[int] = Counter()
        self.running: dict[int, tuple[Row, ...]] = {}
        self.passed: Counter[int] = Counter()

    def _idle(self) -> list[int]:
        return [worker for worker in range(SETTINGS.workers) if worker not in self.running]

    @rule(
        owner=st.sampled_from(OWNERS),
        key=st.sampled_from("xy"),
        row_class=st.sampled_from(RowClass),
        admitted=st.booleans(),
    )
    def arrive(self, owner: str, key: str, row_class: RowClass, admitted: bool) -> None:  # noqa: FBT001 - drawn
        row = Row(len(self.rows) + 1, owner, key, row_class, self.now)
        self.rows[row.number] = row
        full = len(self.waiting) >= SETTINGS.max_queued_windows
        partials = [number for number in sorted(self.waiting) if self.rows[number].row_class is RowClass.PARTIAL]
        if full and not admitted and (row_class is RowClass.PARTIAL or not partials):
            with pytest.raises(QueueFullError):
                self.queue.add(row)
            self.gone[row.number] += 1
            return
        dropped = self.queue.add(row, admitted=admitted)
        self.waiting.add(row.number)
        if full and not admitted:
            assert dropped == self.rows[partials[0]]
            self._left(partials[0])
        else:
            assert dropped is None

    def _left(self, number: int) -> None:
        self.waiting.remove(number)
        self.gone[number] += 1

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.waiting)))
        assert self.queue.remove(number)
        assert not self.queue.remove(number)
        self._left(number)

    @rule(seconds=st.floats(0, 0.02))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self._idle())
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self._idle()))
        rows = Counter(self.rows[number].owner for number in self.waiting)
        decision = self.queue.take(worker, len(self._idle()), self.now)
        allowed = [n for n in self.waiting if worker != SHORT_WORKER or rows[self.rows[n].owner] <= 2]
        if not isinstance(decision, Batch):
            assert not allowed or (self.running and decision.seconds is not None), "a worker was idle for nothing"
            assert decision.seconds is None or 0 < decision.seconds <= SETTINGS.max_delay_ms / 1000 + 1e-9
            return
        assert 0 < len(decision.rows) <= SETTINGS.max_batch
        assert {row.number for row in decision.rows} <= set(allowed)
        assert len({row.key for row in decision.rows}) == 1
        if len(decision.rows) > 1 and any(rows[row.owner] > 2 for row in decision.rows):
            predicted = self.queue.experience.predict(decision.rows[0].key, len(decision.rows))
            assert predicted * 1000 <= SETTINGS.max_batch_ms + 1e-6
        self._pass_over(decision.rows, allowed)
        for row in decision.rows:
            self._left(row.number)
        self.running[worker] = decision.rows

    def _pass_over(self, taken: tuple[Row, ...], allowed: list[int]) -> None:
        """Count the batches led by a row that came later and is not more urgent: turns bound them."""
        head = taken[0]
        chosen = {row.number for row in taken}
        first: dict[tuple[object, RowClass], int] = {}
        for number in sorted(allowed):
            first.setdefault((self.rows[number].owner, self.rows[number].row_class), number)
        for number in first.values():
            row = self.rows[number]
            if number not in chosen and head.row_class >= row.row_class:
                assert head.row_class == row.row_class, "the less urgent went first"
                self.passed[number] += 1
                # Every other owner once from before it came, and once with a row of another of its classes.
                assert self.passed[number] <= 2 * len(OWNERS), "it starves"

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        rows = self.running.pop(data.draw(st.sampled_from(sorted(self.running))))
        self.now += seconds_of(len(rows))
        self.queue.experience.learn(rows[0].key, len(rows), seconds_of(len(rows)))

    @invariant()
    def every_row_waits_or_has_left_once(self) -> None:
        assert len(self.queue) == len(self.waiting)
        assert all(self.gone[number] == (number not in self.waiting) for number in self.rows)

    def teardown(self) -> None:
        """Whatever was done, the workers empty the queue."""
        self.running.clear()
        for _ in range(len(self.waiting) + 1):
            self.now += 1
            decision = self.queue.take(1, SETTINGS.workers, self.now)
            for row in decision.rows if isinstance(decision, Batch) else ():
                self._left(row.number)
        assert not self.waiting
        assert len(self.queue) == 0


class TestCallers(Callers.TestCase):  # type: ignore[misc,valid-type]  # hypothesis makes it at run time
    settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def test_a_short_owner_beside_a_long_one_waits_for_nothing_but_what_runs() -> None:
    queue = RowQueue(ScheduleSettings(max_batch=1, workers=2))
    for number in range(1, 11):
        queue.add(Row(number, "long", "x", RowClass.NORMAL, 0.0))
    assert isinstance(queue.take(1, 2, 0.0), Batch)
    queue.add(Row(11, "short", "x", RowClass.NORMAL, 0.1))
    decision = queue.take(SHORT_WORKER, 1, 0.2)
    assert isinstance(decision, Batch)
    assert [row.owner for row in decision.rows] == ["short"]


def test_owners_of_long_work_take_turns() -> None:
    queue = RowQueue(ScheduleSettings(max_batch=1, workers=1))
    for number, owner in enumerate("aaaabbbb", 1):
        queue.add(Row(number, owner, "x", RowClass.NORMAL, 0.0))
    taken = [queue.take(0, 1, float(now)) for now in range(1, 9)]
    assert [decision.rows[0].owner for decision in taken if isinstance(decision, Batch)] == list("abababab")


def test_all_rows_leave_a_queue_that_is_cleared() -> None:
    queue = RowQueue(SETTINGS)
    rows = [Row(number, "a", "x", RowClass.NORMAL, 0.0) for number in (1, 2)]
    for row in rows:
        queue.add(row)
    assert queue.clear() == rows
    assert len(queue) == 0
