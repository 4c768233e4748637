"""How long the loader is patient with a source, as numbers; the sources' own tests see that it is."""

import random
import threading

import pytest

from whisper_contract.reasons import Reason
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.transfer import retry


def unreachable(retry_after: float | None = None) -> LoaderError:
    error = LoaderError(Reason.SOURCE_UNREACHABLE, "it is not there")
    error.retry_after = retry_after
    return error


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was waited for, in seconds; without jitter, and over at once."""
    waited: list[float] = []

    def wait(_: threading.Event, seconds: float | None = None) -> bool:
        assert seconds is not None
        waited.append(seconds)
        return False

    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)
    monkeypatch.setattr(threading.Event, "wait", wait)
    return waited


def failing(error: LoaderError, pauses: list[float], deadline: Deadline | None = None) -> list[float]:
    def work() -> None:
        raise error

    with pytest.raises(LoaderError) as told:
        retry.retry(work, deadline or Deadline())
    assert told.value is error
    return pauses


def test_it_asks_five_times_with_pauses_that_double(pauses: list[float]) -> None:
    assert failing(unreachable(), pauses) == [0.5, 1, 2, 4]


def test_it_never_asks_sooner_than_the_source_wants(pauses: list[float]) -> None:
    assert failing(unreachable(retry_after=3), pauses) == [3, 3, 3, 4]


def test_what_no_further_try_would_mend_is_told_at_once(pauses: list[float]) -> None:
    assert failing(LoaderError(Reason.ARTIFACT_MISSING, "gone"), pauses) == []


def test_a_success_forgets_the_failures_before_it(pauses: list[float]) -> None:
    patience = retry.Patience(Deadline())
    for _ in range(3):
        patience.pause_after(unreachable())
        patience.succeeded()
    assert pauses == [0.5, 0.5, 0.5]


def test_a_pause_is_spread_by_half_to_both_sides(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    spread: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        spread.append((low, high))
        return 1.0

    monkeypatch.setattr(random, "uniform", uniform)
    failing(unreachable(), pauses)
    assert set(spread) == {(0.5, 1.5)}
