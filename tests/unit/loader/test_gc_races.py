"""Giving the store's space back while others write to it, or while somebody kills it."""

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.loader import COMMAND, Done, environment, whisper_model
from tests.support.stores import prepare, published
from whisper_loader.store import durable
from whisper_loader.store import gc as gc_module
from whisper_loader.store.artifacts import Damage, find_artifact, list_artifacts, publish, reuse_artifact
from whisper_loader.store.gc import Collector, Item, Outcome, Policy
from whisper_loader.store.trees import measure, remove

pytestmark = pytest.mark.slow

HOURS = 3600.0
NOTHING_NEEDED = Policy(keep=frozenset(), running_jobs=frozenset(), grace_seconds=0, dry_run=False)

# Removes everything in a process of its own; says when it begins so that it can be killed at any moment.
COLLECT = """
import sys
from pathlib import Path
from whisper_loader.store.gc import Collector, Policy
print("ready", flush=True)
list(Collector(Path(sys.argv[1]), Policy(frozenset(), frozenset(), 0, False)).collect())
"""


def gc(store: Path, *arguments: str | Path, **options: Any) -> Done:
    return whisper_model("gc", "--store", store, "--json", *arguments, **options)


def test_gc_killed_at_any_moment_leaves_each_artifact_whole_or_gone(store: Path, tmp_path: Path) -> None:
    artifact = published(store, "many", {f"part-{index:03}": b"x" * 100 for index in range(400)})
    copy = shutil.copytree(artifact.path, tmp_path / "copy")
    seen = set()
    for attempt in range(24):
        if not artifact.path.exists():
            shutil.copytree(copy, artifact.path)
        with subprocess.Popen([sys.executable, "-c", COLLECT, store], env=environment(), stdout=subprocess.PIPE) as run:
            assert run.stdout is not None
            run.stdout.readline()
            time.sleep(attempt % 12 * 0.001)
            run.send_signal(signal.SIGKILL)
        found = [entry for _, entry in list_artifacts(store)]
        assert found in ([], [artifact.manifest])
        seen.add((bool(found), any((store / "staging").iterdir())))
    assert (False, True) in seen, "at least one was killed while it removed files"
    list(Collector(store, NOTHING_NEEDED).collect())
    assert not list((store / "artifacts").iterdir())
    assert not list((store / "staging").iterdir())


def test_two_runs_at_once_remove_everything_and_count_it_once(store: Path) -> None:
    for index in range(6):
        published(store, str(index), {f"{part}": bytes([index]) * 1000 for part in range(50)}, age=2 * HOURS)
    size = measured_size(store / "artifacts")
    command: list[str | Path] = [COMMAND, "gc", "--store", store, "--keep-none", "--json"]
    runs = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) for _ in range(3)]
    done = [Done(run.wait(), run.communicate(timeout=240)[0], "") for run in runs]
    assert [each.exit_code for each in done] == [0, 0, 0]
    assert sum(each.json["freedBytes"] for each in done) == size
    assert not list((store / "artifacts").iterdir())
    assert not list((store / "staging").iterdir())


def measured_size(path: Path) -> int:
    tree = measure(path)
    assert tree is not None
    return tree.size


def test_a_folder_that_others_remove_at_the_same_time_is_gone_for_all(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for index in range(2000):
        (folder / str(index % 20)).mkdir(parents=True, exist_ok=True)
        (folder / str(index % 20) / str(index)).touch()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(remove, [folder] * 4)) == [True] * 4
    assert not folder.exists()


def test_pulls_that_publish_what_gc_removes_meanwhile_all_succeed(store: Path) -> None:
    """Without any grace, which is the worst that can be: each publisher still succeeds, and nothing half is seen."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def collect() -> None:
        try:
            while not stop.is_set():
                policy = Policy(frozenset(), frozenset(prepared_names), 0, dry_run=False)
                list(Collector(store, policy).collect())
        except BaseException as error:  # noqa: BLE001  (shown below, whatever it is)
            failures.append(error)

    prepared_names = [f"publisher-{index}" for index in range(60)]
    prepared = [prepare(store, name) for name in prepared_names]
    collector = threading.Thread(target=collect)
    collector.start()
    digests = {publish(store, *job).manifest.digest for job in prepared}
    stop.set()
    collector.join()
    assert not failures
    assert digests == {prepared[0][1].digest}
    assert not [found for _, found in list_artifacts(store) if isinstance(found, Damage)]


def collect_while(store: Path, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> Item:
    """Collect what is older than an hour; `happens` falls between the look at an artifact's age and its renaming."""
    real = durable.rename

    def rename(source: Path, target: Path) -> None:
        if source.parent.name == "artifacts":
            happens()
        real(source, target)

    monkeypatch.setattr(gc_module, "rename", rename)
    (item,) = Collector(store, Policy(frozenset(), frozenset(), HOURS, dry_run=False)).collect()
    return item


def test_an_artifact_that_a_pull_asks_for_while_it_is_taken_away_is_put_back(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = published(store, "one", age=2 * HOURS)
    item = collect_while(store, monkeypatch, lambda: reuse_artifact(store, artifact.manifest.digest))
    assert item.outcome is Outcome.SPARED
    assert find_artifact(store, artifact.manifest.digest) == artifact
    assert not list((store / "staging").iterdir())


def test_an_artifact_that_is_gone_when_its_turn_comes_is_not_counted(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = published(store, "one", age=2 * HOURS)
    with pytest.raises(ValueError, match="not enough values"):
        collect_while(store, monkeypatch, lambda: shutil.rmtree(artifact.path))
