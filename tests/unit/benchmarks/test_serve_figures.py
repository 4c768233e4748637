"""The figures of the server's benchmark: which size of batches is best, what is near the limit."""

import pytest

from benchmarks.serve_figures import Figures, added_ms, best_sizes, of_limit, percentile, total


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
