"""`make demo` as a person runs it: twice in a row, and interrupted."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import cluster as embedded
from tests.cluster.cache import cache_dir
from tests.support.machine import machine

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a checkout with a cache of its own, so that a cluster that a person has up stays out of this."""
    for folder in ("programs", "images"):
        (tmp_path / folder).symlink_to(cache_dir() / folder)
    monkeypatch.setenv("WHISPER_OPERATOR_CACHE", str(tmp_path))
    monkeypatch.setenv("CLUSTER", "embedded")
    yield
    embedded.remove()


@pytest.mark.timeout(2500)
def test_the_demo_ends_with_the_transcript_and_works_again_at_once() -> None:
    for _ in range(2):
        done = subprocess.run(demo(), cwd=ROOT, check=False, capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "en-02.flac: 'Close the red radio number one.'" in done.stdout
        row = next(line for line in done.stdout.splitlines()[::-1] if line.startswith("demo "))
        assert row.split()[3:6] == ["1/1", "True", "ServersReady"]
        assert "make cluster-down" in done.stdout


def test_an_interrupted_demo_clears_away_what_it_brought_up() -> None:
    before = machine()
    with subprocess.Popen(demo(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        lines = iter(process.stdout or ())
        while not next(lines).startswith("[3]"):
            pass
        time.sleep(1)
        process.terminate()
        process.communicate(timeout=240)
    assert process.returncode == 130
    # What has gone meanwhile was another cluster's.
    assert machine() - before == set()


def demo() -> list[str]:
    return [sys.executable, "-m", "tests.demo"]
