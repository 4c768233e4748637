"""Folders of runs whose starter has died are cleared away once, whoever comes by at the same time."""

import multiprocessing
import shutil
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from tests.cluster import runs

DEAD = "control-plane.4194305.1.1"  # the id is larger than any that Linux gives


@pytest.fixture(autouse=True)
def leftover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHISPER_OPERATOR_CACHE", str(tmp_path))
    run = tmp_path / "runs" / DEAD
    run.mkdir(parents=True)
    return run


def sweep_slowly(run: Path) -> None:
    busy = run.parent.with_name("busy")
    busy.mkdir()  # fails while another is at it
    time.sleep(0.05)
    shutil.rmtree(run, ignore_errors=True)
    busy.rmdir()


def sweep(run: Path, together: Barrier) -> None:
    together.wait()
    runs.sweep_leftovers([run], sweep_slowly)


def test_of_many_that_start_at_once_one_at_a_time_clears_a_leftover_away(leftover: Path) -> None:
    spawned = multiprocessing.get_context("spawn")
    together = spawned.Barrier(3)
    processes = [spawned.Process(target=sweep, args=(leftover, together)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert not leftover.exists()
