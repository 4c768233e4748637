"""Progress lines are read as they were written, among whatever else a log holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_contract.progress import Progress

counts = st.integers(0, 1 << 50)
progress = st.builds(Progress, st.sampled_from(["pull", "convert", "publish"]), counts, st.none() | counts, counts)


@given(progress)
def test_a_line_is_read_as_it_was_written(progress: Progress) -> None:
    assert Progress.parse_line(progress.format()) == progress
    assert "\n" not in progress.format()


def test_a_line_says_what_people_want_to_know() -> None:
    line = Progress("pull", 431, 1051, 80).format()
    assert line == "progress step=pull percent=41 bytes=431 total=1051 rate=80 eta=7"


@pytest.mark.parametrize(
    ("done", "total", "percent"), [(0, None, None), (0, 0, 100), (999, 1000, 99), (1000, 1000, 100), (1001, 1000, 100)]
)
def test_a_hundred_percent_means_done(done: int, total: int | None, percent: int | None) -> None:
    assert Progress("pull", done, total, 1).percent == percent


@pytest.mark.parametrize(("rate", "eta"), [(0, None), (10, 90), (3, 300)])
def test_time_to_go_follows_the_rate(rate: int, eta: int | None) -> None:
    assert Progress("pull", 100, 1000, rate).eta_seconds == eta


@pytest.mark.parametrize(
    "line",
    ["", "pulling", "progress", "progress step=pull", "progress step=pull bytes=x rate=1", "progress bytes=1 rate=1"],
)
def test_other_lines_are_no_progress(line: str) -> None:
    assert Progress.parse_line(line) is None
