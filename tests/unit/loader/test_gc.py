"""Giving space back: what nobody needs goes, at once or not at all, and nothing else does."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.loader import Done, environment, whisper_model
from tests.support.stores import make_older, prepare, published
from whisper_loader.store import records
from whisper_loader.store.artifacts import find_artifact

HOURS = 3600.0

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


def outcomes(done: Done, store: Path) -> dict[str, str]:
    """Return what became of each thing, by its path in the store."""
    assert done.exit_code == 0, done.errors
    return {str(Path(item["path"]).relative_to(store)): item["outcome"] for item in done.json["items"]}


def record(store: Path, key: str, digest: str, *, age: float) -> Path:
    records.write(store, key, records.Record(digest, f"s3://models/{key}", "transformers", None))
    path = store / "sources" / f"{key}.json"
    make_older(path, age)
    return path


def test_what_is_not_named_goes_and_the_bytes_are_told(store: Path) -> None:
    kept = published(store, "kept", {"a": b"kept"}, age=2 * HOURS)
    unneeded = published(store, "unneeded", age=2 * HOURS)
    leads_to_kept = record(store, "kept", kept.manifest.digest, age=2 * HOURS)
    leads_nowhere = record(store, "unneeded", unneeded.manifest.digest, age=2 * HOURS)
    size = sum(entry.stat().st_size for entry in (*unneeded.path.iterdir(), leads_nowhere))
    done = gc(store, "--keep", f"sha256:{kept.manifest.digest}")
    assert outcomes(done, store) == {
        f"artifacts/{unneeded.manifest.digest}": "removed",
        "sources/unneeded.json": "removed",
    }
    assert done.json["freedBytes"] == size
    assert find_artifact(store, kept.manifest.digest) == kept
    assert [leads_to_kept] == list((store / "sources").iterdir())
    assert [kept.path] == list((store / "artifacts").iterdir())
    assert not list((store / "staging").iterdir())


def test_what_is_younger_than_the_grace_is_spared_and_that_is_said(store: Path) -> None:
    young = published(store, "young", age=0.9 * HOURS)
    done = gc(store, "--keep-none")
    assert outcomes(done, store) == {f"artifacts/{young.manifest.digest}": "spared"}
    assert done.json["freedBytes"] == 0
    assert 3200 < done.json["items"][0]["ageSeconds"] < 3600
    assert outcomes(gc(store, "--keep-none", "--grace", "1800"), store).popitem()[1] == "removed"


def test_an_artifact_that_was_asked_for_again_is_young_again(store: Path) -> None:
    artifact = published(store, "one", age=50 * HOURS)
    record(store, "key", artifact.manifest.digest, age=50 * HOURS)
    assert records.find(store, "key", None) is not None
    assert outcomes(gc(store, "--keep-none"), store) == {f"artifacts/{artifact.manifest.digest}": "spared"}


def test_an_artifact_that_was_published_again_is_young_again(store: Path) -> None:
    artifact = published(store, "one", age=50 * HOURS)
    published(store, "again")
    assert outcomes(gc(store, "--keep-none"), store) == {f"artifacts/{artifact.manifest.digest}": "spared"}


def test_age_is_told_by_the_clock_of_the_file_system(store: Path) -> None:
    """An hour of this machine's clock is nothing to a server whose clock stands elsewhere."""
    artifact = published(store, "one")
    script = f"{COLLECT.replace('frozenset(), 0, False', 'frozenset(), 60, False')}"
    ahead = "import time; real = time.time; time.time = lambda: real() + 7200\n"
    subprocess.run([sys.executable, "-c", ahead + script, store], env=environment(), check=True, capture_output=True)
    assert find_artifact(store, artifact.manifest.digest) is not None


def test_a_dry_run_tells_the_same_and_removes_nothing(store: Path) -> None:
    artifact = published(store, "one", age=2 * HOURS)
    record(store, "one", artifact.manifest.digest, age=2 * HOURS)
    (store / "staging").rmdir()
    before = sorted(store.rglob("*"))
    foretold = gc(store, "--keep-none", "--dry-run")
    assert sorted(store.rglob("*")) == before
    real = gc(store, "--keep-none")
    assert outcomes(foretold, store) == outcomes(real, store)
    assert foretold.json["freedBytes"] == real.json["freedBytes"] > 0
    assert (foretold.json["dryRun"], real.json["dryRun"]) == (True, False)


def test_staging_of_jobs_that_run_stays_whatever_its_age(store: Path) -> None:
    for job in ("running", "dead", "just-died"):
        prepare(store, job)
    for job in ("running", "dead"):
        make_older(store / "staging" / job, 30 * HOURS)
    done = gc(store, "--keep-none", "--running-job", "running", "another")
    assert outcomes(done, store) == {"staging/dead": "removed", "staging/just-died": "spared"}
    assert {entry.name for entry in (store / "staging").iterdir()} == {"running", "just-died"}


def test_a_pull_by_hand_that_still_writes_is_no_dead_one(store: Path) -> None:
    folder, _ = prepare(store, "by-hand-1")
    make_older(store / "staging", 30 * HOURS)
    with (folder / "model.bin").open("ab") as file:
        file.write(b"the latest part")
    assert outcomes(gc(store, "--keep-none"), store) == {"staging/by-hand-1": "spared"}


def test_what_killed_writers_have_left_goes(store: Path) -> None:
    (store / "sources").mkdir()
    (store / "staging" / "job" / "pod" / ("in-the-way-" + "0" * 32)).mkdir(parents=True)
    (store / "staging" / "removed-1").mkdir()
    (store / "sources" / f".key.json.{'0' * 32}").write_bytes(b"half a rec")
    (store / "sources" / "junk.json").write_bytes(b"[[[")
    (store / "sources" / "README").write_bytes(b"somebody's own")
    make_older(store, 2 * HOURS)
    assert outcomes(gc(store, "--keep-none"), store) == {
        "staging/job": "removed",
        "staging/removed-1": "removed",
        f"sources/.key.json.{'0' * 32}": "removed",
        "sources/junk.json": "removed",
    }
    assert (store / "sources" / "README").exists()


def test_a_broken_artifact_goes_too_unless_it_is_named(store: Path) -> None:
    broken, named = published(store, "broken"), published(store, "named", {"a": b"x"})
    for artifact in (broken, named):
        (artifact.path / "manifest.json").unlink()
        make_older(artifact.path, 2 * HOURS)
    done = gc(store, "--keep", named.manifest.digest)
    assert outcomes(done, store) == {f"artifacts/{broken.manifest.digest}": "removed"}


def test_a_record_that_leads_nowhere_is_spared_while_it_is_young(store: Path) -> None:
    record(store, "young", "0" * 64, age=0)
    assert outcomes(gc(store, "--keep-none"), store) == {"sources/young.json": "spared"}


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder beside the store, which must be the same afterwards."""
    folder = tmp_path / "outside"
    (folder / ("0" * 64)).mkdir(parents=True)
    for name in ("manifest.json", "model.bin", "a.json"):
        (folder / name).write_bytes(b"{}" * 10_000)
    make_older(folder, 2 * HOURS)
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    yield folder
    assert {path: path.lstat().st_mtime_ns for path in folder.rglob("*")} == before


def test_links_go_and_what_they_lead_to_stays(store: Path, outside: Path) -> None:
    for name in (f"artifacts/{'0' * 64}", "staging/job", "sources/link.json"):
        (store / name).parent.mkdir()
        (store / name).symlink_to(outside)
    deep = store / "staging" / "other" / "pod"
    deep.mkdir(parents=True)
    (deep / "link").symlink_to(outside)
    make_older(store, 2 * HOURS)
    done = gc(store, "--keep-none")
    assert set(outcomes(done, store).values()) == {"removed"}
    assert len(done.json["items"]) == 4
    assert done.json["freedBytes"] < 1000, "a link's own bytes"
    assert not [path for path in store.rglob("*") if path.is_symlink()]


def test_folders_in_one_another_without_end_hold_nothing_up(store: Path) -> None:
    deep = store / "staging" / "dead" / "0"
    deep.mkdir(parents=True)
    script = f"import os\nos.chdir({str(deep)!r})\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert outcomes(gc(store, "--keep-none", "--grace", "0"), store) == {"staging/dead": "removed"}
    assert not list((store / "staging").iterdir())


@pytest.mark.parametrize("folder", ["artifacts", "sources"])
def test_a_folder_of_the_store_that_leads_out_of_it_is_left_alone(folder: str, store: Path, outside: Path) -> None:
    (store / folder).symlink_to(outside)
    assert outcomes(gc(store, "--keep-none"), store) == {}


def test_naming_no_digest_is_refused_for_it_would_empty_the_store(store: Path) -> None:
    artifact = published(store, "one", age=2 * HOURS)
    for arguments, given in (((), ""), (("--keep-from", "-"), "# none\n\n")):
        done = gc(store, *arguments, input=given)
        assert (done.exit_code, done.json["reason"]) == (2, "SpecInvalid")
        assert "say --keep-none if that is meant" in done.json["message"]
    assert find_artifact(store, artifact.manifest.digest) is not None


def test_digests_come_from_a_file_or_standard_input_too(store: Path, tmp_path: Path) -> None:
    kept = [published(store, str(index), {"a": bytes([index])}, age=2 * HOURS).manifest.digest for index in range(3)]
    (tmp_path / "list").write_text(f"# in use\n\nsha256:{kept[0]}\n{kept[1]}\n")
    assert outcomes(gc(store, "--keep-from", tmp_path / "list"), store) == {f"artifacts/{kept[2]}": "removed"}
    done = gc(store, "--keep-from", "-", input=f"{kept[1]}\n")
    assert outcomes(done, store) == {f"artifacts/{kept[0]}": "removed"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--keep", "abc123"), "'abc123' is not a sha256 digest"),
        (("--keep", "0" * 64, "--keep-none"), "--keep-none contradicts"),
        (("--keep-from", "/nonexistent"), "--keep-from: /nonexistent can't be read"),
        (("--keep-none", "--grace", "-1"), "--grace must be 0 seconds or more"),
        (("--keep-none", "--grace", "nan"), "--grace must be 0 seconds or more"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...], sentence: str, store: Path) -> None:
    artifact = published(store, "one", age=2 * HOURS)
    done = gc(store, *arguments)
    assert (done.exit_code, sentence in done.json["message"]) == (2, True), done.errors
    assert find_artifact(store, artifact.manifest.digest) is not None


def test_a_store_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    done = gc(tmp_path / "absent", "--keep-none")
    assert (done.exit_code, "there is no folder" in done.json["message"]) == (2, True)
    assert not (tmp_path / "absent").exists()


def test_people_read_a_line_for_each_thing_and_the_sum(store: Path) -> None:
    artifact = published(store, "one", {"a": b"x" * 1000}, age=2 * HOURS)
    size = sum(entry.stat().st_size for entry in artifact.path.iterdir())
    done = whisper_model("gc", "--store", store, "--keep-none", "--dry-run")
    first, last = done.output.splitlines()
    told = re.sub("72[0-9]{2} s", "7200 s", " ".join(first.split()))
    assert told == f"artifact {size} bytes 7200 s old would be removed: {artifact.path}"
    assert last == f"would free {size} bytes"
    assert whisper_model("gc", "--store", store, "--keep-none").output.endswith(f"freed {size} bytes\n")


def test_what_is_known_to_be_unneeded_goes_whatever_its_age(store: Path) -> None:
    known, other = published(store, "known"), published(store, "other", {"a": b"x"})
    done = gc(store, "--keep-none", "--unneeded", f"sha256:{known.manifest.digest}")
    assert outcomes(done, store) == {
        f"artifacts/{known.manifest.digest}": "removed",
        f"artifacts/{other.manifest.digest}": "spared",
    }


def test_what_is_both_to_be_kept_and_unneeded_is_a_mistake(store: Path) -> None:
    artifact = published(store, "one", age=2 * HOURS)
    done = gc(store, "--keep", artifact.manifest.digest, "--unneeded", artifact.manifest.digest)
    assert (done.exit_code, done.json["reason"]) == (2, "SpecInvalid")
    assert "both to be kept and unneeded" in done.json["message"]
    assert find_artifact(store, artifact.manifest.digest) is not None
