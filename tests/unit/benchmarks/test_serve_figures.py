"""The figures of the server's benchmark: which size of batches is best, what is near the limit."""

import pytest

from benchmarks.serve_figures import (
    Figures,
    added_ms,
    alike_table,
    best_sizes,
    of_limit,
    percentile,
    stream_goals,
    total,
)


def spent(cpu: float, wall: float = 1.0) -> Figures:
    return Figures(audio_seconds=10.0, wall=wall, cpu=cpu, latencies=[wall], peak_bytes=0)


def test_each_kind_of_files_counts_alike_however_dear_it_is() -> None:
    dear, cheap = {1: spent(10.0), 8: spent(10.4)}, {1: spent(0.3), 8: spent(0.2)}
    assert best_sizes({"short": dear, "long": cheap}, "cpu") == (8, 8)


def test_a_smaller_size_that_is_about_as_good_is_enough() -> None:
    assert best_sizes({"short": {1: spent(2.0), 4: spent(1.05), 32: spent(1.0)}}, "cpu") == (32, 4)


def test_on_a_gpu_wall_time_is_what_counts() -> None:
    sizes = {1: spent(1.0, wall=4.0), 8: spent(2.0, wall=1.0)}
    assert best_sizes({"short": sizes}, "cpu") == (1, 1)
    assert best_sizes({"short": sizes}, "cuda") == (8, 8)
    assert of_limit(sizes[1], sizes[8], "cuda") == 0.25


def test_blocks_are_added_up_and_the_highest_peak_is_theirs() -> None:
    blocks = [Figures(1.0, 2.0, 3.0, [0.1], 5), Figures(1.0, 1.0, 1.0, [0.3], 4)]
    assert total(blocks) == Figures(2.0, 3.0, 4.0, [0.1, 0.3], 5)


def test_what_is_added_is_the_median_of_the_pairs() -> None:
    assert added_ms([0.011, 0.020, 0.100], [0.010, 0.018, 0.097]) == pytest.approx(2.0)


def test_one_value_is_each_of_its_percentiles() -> None:
    assert percentile([7.0], 95) == 7.0
    assert percentile([*range(101)], 95) == 95


def lagging(seconds: float) -> Figures:
    return Figures(1.0, 1.0, 1.0, [seconds], 0)


def test_on_a_cpu_each_number_of_streams_has_its_goal() -> None:
    goals = stream_goals({1: lagging(0.5), 4: lagging(2.5)}, "cpu")
    assert [(goal.name, goal.found, goal.met) for goal in goals] == [
        ("Finals of 1 streams", "500 ms", True),
        ("Finals of 4 streams", "2500 ms", False),
    ]


def test_on_a_gpu_the_most_streams_in_time_are_told() -> None:
    (goal,) = stream_goals({1: lagging(0.1), 64: lagging(1.9), 128: lagging(2.1)}, "cuda")
    assert (goal.found, goal.met) == ("64 streams", True)
    assert not stream_goals({1: lagging(3.0)}, "cuda")[0].met


def test_of_windows_that_share_a_batch_the_share_that_is_the_same_is_told() -> None:
    told = alike_table({8: {"windows": 40, "texts": 39, "times": 38}})
    assert told.splitlines()[-1].split("|")[1:-1] == [
        " batches of 8 ",
        "      40 ",
        "     0.975 ",
        "                  0.950 ",
    ]
