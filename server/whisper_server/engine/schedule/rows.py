"""What waits, and what is decided about it."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum

OwnerId = Hashable


class RowClass(IntEnum):
    """What goes first; the order is that of the values."""

    FINAL = 0  #: someone who speaks waits for it
    NORMAL = 1
    PARTIAL = 2  #: worth something only at once: dropped for others when there is no room


@dataclass(frozen=True, slots=True)
class Row:
    """One piece of work as the policy sees it.

    Attributes:
        number: counts rows in order of arrival.
        owner: whose it is; owners take turns.
        key: rows may share a batch exactly when their keys are equal.
        row_class: what goes first.
        arrived: seconds by the scheduler's clock.
    """

    number: int
    owner: OwnerId
    key: Hashable
    row_class: RowClass
    arrived: float


@dataclass(frozen=True, slots=True)
class Batch:
    """Run these now, together."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Run nothing now: look again after `seconds`, or when something changes; None: only then."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """How much at a time.

    Attributes:
        max_batch: rows of one batch.
        max_batch_ms: predicted time of a batch that holds rows of long work.
        max_delay_ms: how long a row may wait for company while the device is busy anyway.
        max_queued_windows: rows that may wait.
        workers: batches that may run at a time; of two or more, the first is kept for owners with little work.
    """

    max_batch: int = 8
    max_batch_ms: float = 1000.0
    max_delay_ms: float = 5.0
    max_queued_windows: int = 256
    workers: int = 2
