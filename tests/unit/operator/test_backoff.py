"""The pauses before something is tried again."""

from datetime import timedelta

import pytest

from whisper_operator.backoff import doubled


@pytest.mark.parametrize(("times", "seconds"), [(0, 0.5), (1, 1.0), (6, 32.0), (7, 60.0), (100_000, 60.0)])
def test_a_pause_doubles_until_it_is_the_longest(times: int, seconds: float) -> None:
    assert doubled(0.5, times, 60.0) == seconds


def test_pauses_in_other_units_do_as_well() -> None:
    assert doubled(timedelta(minutes=10), 2, timedelta(hours=6)) == timedelta(minutes=40)
