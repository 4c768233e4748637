"""What a worker that has nothing to do should do: a pure function of what waits and of the clock.

1. Live finals go before everything, partials after everything.
2. Owners take turns: each one's first row goes before anyone's second. Whoever was served last is last.
3. A batch is filled from those behind the first that have its key. With rows of long work (an owner with more than
   two waiting), it stops where its predicted time would pass `max_batch_ms`.
4. Of two workers, the first never takes long work. So a short recording waits at most for what runs: a short batch.
5. A batch that is not full may wait `max_delay_ms` for company, but only while another worker keeps the device busy,
   and never a live final.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

from whisper_server.engine.schedule.rows import Batch, OwnerId, Row, RowClass, ScheduleSettings, Wait

#: An owner with more rows waiting has long work.
SHORT_WORK_ROWS = 2
#: The worker that never takes long work, where there are several.
SHORT_WORKER = 0


@dataclass(frozen=True, slots=True)
class View:
    """All that a decision depends on.

    Attributes:
        rows: what waits, in order of arrival.
        served: when an owner's row was last taken, for owners that have more waiting.
        worker: who asks.
        idle_workers: how many have nothing to do, the one who asks included.
        now: seconds by the clock of `Row.arrived`.
        predict: seconds that a batch takes, from its key and its number of rows.
        largest: rows of the largest batch that the device is known to have room for, by key; others are not limited.
    """

    rows: Sequence[Row]
    served: Mapping[OwnerId, float]
    worker: int
    idle_workers: int
    now: float
    predict: Callable[[Hashable, int], float]
    largest: Mapping[Hashable, int]


def decide(view: View, settings: ScheduleSettings) -> Batch | Wait:
    """Return the batch that `view.worker` should run now, or how long it should wait."""
    long_work = {owner for owner, rows in Counter(row.owner for row in view.rows).items() if rows > SHORT_WORK_ROWS}
    spared = settings.workers > 1 and view.worker == SHORT_WORKER
    candidates = [row for row in view.rows if not (spared and row.owner in long_work)]
    if not candidates:
        return Wait()
    in_turn = _in_turn(candidates, view.served)
    alike = [row for row in in_turn if row.key == in_turn[0].key]
    batch, full = _fill(alike, long_work, view, settings)
    hold = 0.0 if full else _hold(batch, view, settings)
    return Wait(hold) if hold > 0 else Batch(tuple(batch))


def _in_turn(rows: Sequence[Row], served: Mapping[OwnerId, float]) -> list[Row]:
    turns: dict[OwnerId, float] = {}
    places: dict[Row, int] = {}
    counts: dict[tuple[OwnerId, RowClass], int] = defaultdict(int)
    for row in rows:
        # By its arrival or its last turn, not by having had none: newcomers without end would starve the others.
        turns.setdefault(row.owner, max(row.arrived, served.get(row.owner, row.arrived)))
        places[row] = counts[row.owner, row.row_class]
        counts[row.owner, row.row_class] += 1
    return sorted(rows, key=lambda row: (row.row_class, places[row], turns[row.owner], row.number))


def _fill(
    alike: Sequence[Row], long_work: Collection[OwnerId], view: View, settings: ScheduleSettings
) -> tuple[list[Row], bool]:
    """Return the batch, and whether more rows of its key would not fit or need not be waited for."""
    key = alike[0].key
    most = min(settings.max_batch, view.largest.get(key, settings.max_batch))
    batch: list[Row] = []
    capped = False
    for row in alike:
        if len(batch) == most:
            break
        holds_long_work = any(taken.owner in long_work for taken in (*batch, row))
        if batch and holds_long_work and view.predict(key, len(batch) + 1) * 1000 > settings.max_batch_ms:
            capped = True
        else:
            batch.append(row)
    return batch, capped or len(batch) == most


def _hold(batch: Sequence[Row], view: View, settings: ScheduleSettings) -> float:
    if view.idle_workers == settings.workers or any(row.row_class is RowClass.FINAL for row in batch):
        return 0.0
    return min(row.arrived for row in batch) + settings.max_delay_ms / 1000 - view.now
