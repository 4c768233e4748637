"""The rows that wait: bounded, and left by each row exactly once."""

from collections import Counter

from whisper_server.engine.schedule.errors import QueueFullError
from whisper_server.engine.schedule.experience import Experience
from whisper_server.engine.schedule.policy import View, decide
from whisper_server.engine.schedule.rows import Batch, OwnerId, Row, RowClass, ScheduleSettings, Wait


class RowQueue:
    """What waits. Not for use by several threads at a time."""

    def __init__(self, settings: ScheduleSettings) -> None:
        self.experience = Experience()
        self._settings = settings
        self._rows: dict[int, Row] = {}
        self._served: dict[OwnerId, float] = {}
        self._waiting: Counter[OwnerId] = Counter()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def full(self) -> bool:
        """Whether a row that is not admitted yet finds no room."""
        return len(self._rows) >= self._settings.max_queued_windows

    def add(self, row: Row, *, admitted: bool = False) -> Row | None:
        """Let `row` wait.

        Args:
            row: numbered higher than all before it.
            admitted: whether it is let in whatever waits.

        Returns:
            the partial row that left the queue for it, the oldest one; None when there was room.

        Raises:
            QueueFullError: when as many rows wait as may, and none of them is to be dropped for this one.
        """
        dropped = None
        if self.full and not admitted:
            dropped = self._droppable(row)
            self.remove(dropped.number)
        self._rows[row.number] = row
        self._waiting[row.owner] += 1
        return dropped

    def _droppable(self, newcomer: Row) -> Row:
        partial = (row for row in self._rows.values() if row.row_class is RowClass.PARTIAL)
        dropped = None if newcomer.row_class is RowClass.PARTIAL else next(partial, None)
        if dropped is None:
            raise QueueFullError(f"{len(self._rows)} windows wait for the model already")
        return dropped

    def remove(self, number: int) -> bool:
        """Take a row out, and return whether it waited."""
        row = self._rows.pop(number, None)
        if row is None:
            return False
        self._waiting[row.owner] -= 1
        if not self._waiting[row.owner]:
            del self._waiting[row.owner]
            self._served.pop(row.owner, None)
        return True

    def clear(self) -> list[Row]:
        """Take all rows out, and return them."""
        rows = list(self._rows.values())
        for row in rows:
            self.remove(row.number)
        return rows

    def take(self, worker: int, idle_workers: int, now: float) -> Batch | Wait:
        """Decide for `worker`, one of the `idle_workers`, and take out the rows of its batch."""
        view = View(
            rows=list(self._rows.values()),
            served=self._served,
            worker=worker,
            idle_workers=idle_workers,
            now=now,
            predict=self.experience.predict,
            largest=self.experience.largest,
        )
        decision = decide(view, self._settings)
        if isinstance(decision, Batch):
            for row in decision.rows:
                self._served[row.owner] = now
                self.remove(row.number)
        return decision
