"""What a benchmark says a command cost is what it cost."""

import sys
from pathlib import Path

import pytest

from benchmarks.measure import MIB, CommandError, Measured, interleaved, median, run, table


def test_a_command_is_charged_for_its_memory_and_for_what_it_writes_but_not_for_the_benchmarks_own(
    tmp_path: Path,
) -> None:
    ballast = bytearray(b"\1" * (300 * MIB))
    program = f"data = b'\\1' * {64 * MIB}; open('out', 'wb').write(data)"
    measured = run([sys.executable, "-c", program], cwd=tmp_path)
    assert len(ballast) == 300 * MIB
    assert 64 * MIB < measured.peak_rss_bytes < 128 * MIB
    # Nothing where the folder is in memory; a few blocks more where a folder has to name the file.
    assert measured.bytes_written == 0 or 64 * MIB <= measured.bytes_written < 65 * MIB
    assert measured.wall > 0


def test_time_asleep_is_wall_time_and_not_cpu_time() -> None:
    measured = run(["sleep", "0.3"])
    assert measured.wall >= 0.3
    assert measured.cpu < 0.2


def test_the_processes_of_a_pipeline_are_all_counted() -> None:
    busy = f"{sys.executable} -c 'import time; t = time.process_time()\nwhile time.process_time() < t + 0.2: pass'"
    assert run(["sh", "-c", f"{busy} | {busy}"]).cpu >= 0.4


def test_a_command_that_fails_is_an_error_with_what_it_said() -> None:
    with pytest.raises(CommandError, match=r"sh exited with 3: no such luck"):
        run(["sh", "-c", "echo no such luck >&2; exit 3"])


def test_rounds_are_interleaved_and_their_medians_told() -> None:
    order: list[str] = []
    said: list[str] = []

    def measure(name: str, walls: list[float]) -> Measured:
        order.append(name)
        return Measured(walls.pop(0), 1.0, 5, 7)

    slow, fast = [9.0, 3.0, 4.0], [2.0, 1.0, 9.0]
    found = interleaved({"a": lambda: measure("a", slow), "b": lambda: measure("b", fast)}, 3, said.append)
    assert order == ["a", "b"] * 3
    assert (found["a"].wall, found["b"].wall) == (4.0, 2.0)
    assert said[0] == "round 1 of 3: a: 9.0 s"


def test_memory_and_bytes_are_the_worst_of_the_rounds() -> None:
    assert median([Measured(1, 1, 5, 70), Measured(2, 2, 50, 7)]) == Measured(1.5, 1.5, 50, 70)


def test_a_table_is_markdown_with_its_numbers_at_the_right() -> None:
    assert table(["run", "s"], [["a", "1"], ["bee", "22"]]) == "| run |  s |\n| --- | -: |\n| a   |  1 |\n| bee | 22 |"
