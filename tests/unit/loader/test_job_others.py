"""What Jobs beside the pull do: give space back, and ask a source what it holds now."""

from pathlib import Path

from tests.support.loader import Job
from tests.support.stores import make_older, prepare, published
from tests.support.web import Page, Web
from whisper_contract.reasons import EXIT_USAGE, FAILURES, Reason

HOURS = 3600.0


def left(store: Path) -> set[str]:
    return {entry.name for folder in ("artifacts", "staging") for entry in (store / folder).iterdir()}


def test_gc_removes_what_is_unneeded_or_old_and_tells_how_much(job: Job, store: Path) -> None:
    kept = published(store, "kept", age=2 * HOURS)
    unneeded = published(store, "unneeded", {"a": b"x"})
    old = published(store, "old", {"a": b"y"}, age=2 * HOURS)
    young = published(store, "young", {"a": b"z"})
    gone = sum(entry.stat().st_size for one in (unneeded, old) for entry in one.path.iterdir())
    keep, drop = f"sha256:{kept.manifest.digest}", f"sha256:{unneeded.manifest.digest}"
    done = job.step("gc", "--keep", keep, "--unneeded", drop)
    assert done.exit_code == 0, done.errors
    assert left(store) == {kept.manifest.digest, young.manifest.digest}
    message = job.message()
    assert (message.step, message.reason, message.size_bytes) == ("gc", "Freed", gone)
    assert message.message.startswith(f"{gone} bytes of 2 artifacts and 0 leftovers are freed; 1 younger than an hour")


def test_gc_removes_what_jobs_have_left_whatever_its_age_since_none_of_them_runs(job: Job, store: Path) -> None:
    published(store, "one", age=2 * HOURS)
    for folder in ("just-died", "by-hand-1"):
        prepare(store, folder)
    assert job.step("gc", "--keep-none").exit_code == 0
    assert left(store) == {"by-hand-1"}


def test_gc_of_nothing_named_is_refused(job: Job, store: Path) -> None:
    artifact = published(store, "one", age=2 * HOURS)
    assert job.step("gc").exit_code == EXIT_USAGE
    assert (job.message().step, job.message().reason) == ("gc", "SpecInvalid")
    assert left(store) == {artifact.manifest.digest}


def test_gc_tells_that_it_may_not_write(job: Job, store: Path) -> None:
    artifact = published(store, "one", age=2 * HOURS)
    (store / "staging").rmdir()
    (store / "staging").write_bytes(b"in the way")
    assert job.step("gc", "--unneeded", artifact.manifest.digest, "--keep-none").exit_code != 0
    assert job.message().step == "gc"
    assert left_artifacts(store) == {artifact.manifest.digest}


def left_artifacts(store: Path) -> set[str]:
    return {entry.name for entry in (store / "artifacts").iterdir()}


def test_resolve_tells_what_the_source_holds_and_needs_no_store(job: Job, store: Path, web: Web) -> None:
    url = web.serve("/m.tar", Page(b"first", etag='"1"'))
    assert job.resolve(url).exit_code == 0
    first = job.message()
    assert (first.step, first.reason, first.source) == ("resolve", "Resolved", f"{url}#etag=1")
    web.serve("/m.tar", Page(b"second", etag='"2"'))
    assert job.resolve(url).exit_code == 0
    assert job.message().source == f"{url}#etag=2"
    assert not list(store.iterdir())


def test_resolve_names_the_source_as_a_pull_of_it_does(job: Job, tmp_path: Path) -> None:
    (tmp_path / "m.tar").write_bytes(b"anything")
    make_older(tmp_path / "m.tar", HOURS)
    assert job.resolve(tmp_path / "m.tar").exit_code == 0
    before = job.message()
    job.resolve(tmp_path / "m.tar")
    assert job.message() == before


def test_resolve_of_a_source_without_versions_says_so(job: Job, web: Web) -> None:
    url = web.serve("/m.tar", Page(b"first", etag=None, modified=None))
    assert job.resolve(url).exit_code == 0
    message = job.message()
    assert message.source is None
    assert "tells no version" in message.message


def test_resolve_fails_as_a_pull_would(job: Job, web: Web) -> None:
    done = job.resolve(f"{web.url}/nowhere.tar")
    assert done.exit_code == FAILURES[Reason.SOURCE_NOT_FOUND].exit_code
    assert (job.message().step, job.message().reason) == ("resolve", "SourceNotFound")
