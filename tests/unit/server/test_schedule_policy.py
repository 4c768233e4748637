"""What a worker is told to do, for hand-made queues."""

from collections.abc import Hashable, Mapping
from itertools import count

from whisper_server.engine.schedule.policy import SHORT_WORKER, View, decide
from whisper_server.engine.schedule.rows import Batch, OwnerId, Row, RowClass, ScheduleSettings, Wait

SETTINGS = ScheduleSettings(max_batch=4, max_batch_ms=1000, max_delay_ms=10, workers=2)
BULK_WORKER = 1
NOW = 100.0
KEY = "greedy"


def queue(owners: str, key: Hashable = KEY, row_class: RowClass = RowClass.NORMAL) -> list[Row]:
    """Return one row for each letter, a second apart and long ago."""
    return [Row(number, owner, key, row_class, float(number)) for number, owner in enumerate(owners, 1)]


def together(*queues: list[Row]) -> list[Row]:
    """Return the queues as one that arrived in this order."""
    numbers = count(1)
    return [
        Row(number, row.owner, row.key, row.row_class, float(number))
        for rows in queues
        for row, number in zip(rows, numbers, strict=False)
    ]


def told(
    rows: list[Row],
    *,
    worker: int = BULK_WORKER,
    idle_workers: int = 2,
    now: float = NOW,
    seconds_a_row: float = 0.1,
    served: Mapping[OwnerId, float] | None = None,
    largest: Mapping[Hashable, int] | None = None,
    settings: ScheduleSettings = SETTINGS,
) -> Batch | Wait:
    def predict(_: Hashable, size: int) -> float:
        return seconds_a_row * size

    return decide(View(rows, served or {}, worker, idle_workers, now, predict, largest or {}), settings)


def owners(decision: Batch | Wait) -> str:
    assert isinstance(decision, Batch)
    return "".join(str(row.owner) for row in decision.rows)


def test_nothing_to_do_is_waited_out_until_something_changes() -> None:
    assert told([]) == Wait(None)


def test_each_owners_first_row_goes_before_anyones_second() -> None:
    assert owners(told(queue("aaabc"))) == "abca"


def test_who_was_served_last_is_last() -> None:
    assert owners(told(queue("abc"), served={"a": 50.0})) == "bca"


def test_newcomers_come_behind_who_was_served_before_they_arrived() -> None:
    rows = [Row(1, "old", KEY, RowClass.NORMAL, 1.0), Row(2, "new", KEY, RowClass.NORMAL, 60.0)]
    assert isinstance(decision := told(rows, served={"old": 50.0}), Batch)
    assert [row.owner for row in decision.rows] == ["old", "new"]


def test_a_batch_holds_one_key_that_of_the_first_in_turn() -> None:
    rows = together(queue("a", key="beam"), queue("bc"), queue("d", key="beam"))
    assert owners(told(rows)) == "ad"


def test_live_finals_go_before_everything_and_partials_after_it() -> None:
    rows = together(queue("p", row_class=RowClass.PARTIAL), queue("n"), queue("f", row_class=RowClass.FINAL))
    assert owners(told(rows)) == "fnp"


def test_a_batch_has_at_most_max_batch_rows() -> None:
    assert owners(told(queue("abcdef"))) == "abcd"


def test_a_batch_is_no_larger_than_the_device_has_room_for() -> None:
    assert owners(told(queue("abcd"), largest={KEY: 2})) == "ab"


def test_a_batch_of_long_work_is_cut_at_its_predicted_time() -> None:
    assert owners(told(queue("aaaa"), seconds_a_row=0.4)) == "aa"


def test_a_row_of_long_work_runs_by_itself_however_long_it_takes() -> None:
    assert owners(told(queue("aaaa"), seconds_a_row=60)) == "a"


def test_a_batch_of_short_work_only_is_not_cut() -> None:
    assert owners(told(queue("aabb"), seconds_a_row=60)) == "abab"


def test_short_work_joins_past_long_work_that_no_longer_fits() -> None:
    # "x" and two of "b" are short; the rows of "a" would make the batch too long.
    assert owners(told(queue("xaaab"), seconds_a_row=0.9)) == "xb"


def test_the_first_worker_never_takes_long_work() -> None:
    assert told(queue("aaa"), worker=SHORT_WORKER) == Wait(None)
    assert owners(told(queue("aaab"), worker=SHORT_WORKER)) == "b"
    assert owners(told(queue("aa"), worker=SHORT_WORKER)) == "aa"


def test_an_only_worker_takes_long_work() -> None:
    alone = ScheduleSettings(max_batch=4, workers=1)
    assert owners(told(queue("aaa"), worker=SHORT_WORKER, idle_workers=1, settings=alone)) == "aaa"


def test_a_batch_that_is_not_full_waits_for_company_while_the_device_is_busy() -> None:
    decision = told([Row(1, "a", KEY, RowClass.NORMAL, 99.996)], idle_workers=1)
    assert isinstance(decision, Wait)
    assert decision.seconds is not None
    assert abs(decision.seconds - 0.006) < 1e-6


def test_it_waits_no_longer_than_max_delay() -> None:
    assert owners(told([Row(1, "a", KEY, RowClass.NORMAL, 99.98)], idle_workers=1)) == "a"


def test_nothing_waits_for_company_while_the_device_is_idle() -> None:
    assert owners(told([Row(1, "a", KEY, RowClass.NORMAL, NOW)], idle_workers=2)) == "a"


def test_a_full_batch_and_a_live_final_do_not_wait_for_company() -> None:
    full = [Row(number, "abcd"[number], KEY, RowClass.NORMAL, NOW) for number in range(4)]
    assert owners(told(full, idle_workers=1)) == "abcd"
    assert owners(told([Row(1, "f", KEY, RowClass.FINAL, NOW)], idle_workers=1)) == "f"


def test_a_batch_that_was_cut_does_not_wait_for_company() -> None:
    rows = [Row(number, "a", KEY, RowClass.NORMAL, NOW) for number in range(3)]
    assert owners(told(rows, idle_workers=1, seconds_a_row=0.6)) == "a"
