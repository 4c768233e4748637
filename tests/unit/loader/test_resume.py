"""A pull goes on where a dead pod of its Job stopped; what comes out is the same as if nothing had happened."""

import hashlib
import io
import random
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives import Archives
from tests.support.loader import COMMAND, Job, environment
from tests.support.s3 import S3Server
from tests.support.tars import compressed, plain
from tests.support.throttle import throttled
from whisper_contract.reasons import Reason
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.fetch import Fetch, Fetched
from whisper_loader.progress import LineDisplay, Meter
from whisper_loader.source import ByteStream, Resolved, SourceFile
from whisper_loader.store import journal
from whisper_loader.store.staging import Staging
from whisper_loader.transfer import parts

FILES = [
    ("config.json", b"{}"),
    ("model.bin", random.Random(2).randbytes(200_000)),
    ("more.bin", random.Random(3).randbytes(50_000)),
]
TAR = plain(FILES)
IDENTITY = "s3://models/m.tar#etag=1"
KILLED = "killed.tar"  # whatever it holds


class AtOnce(ThreadPoolExecutor):
    """Waits for what it is given: a disk that lags behind its source gets few notes, or none."""

    def submit(self, *arguments: Any, **options: Any) -> Future[Any]:
        future = super().submit(*arguments, **options)
        wait([future])
        return future


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes every 4,000 bytes, parts of 8,000 in chunks of 1,000, so that a small archive has many of each."""
    monkeypatch.setattr(journal, "ThreadPoolExecutor", AtOnce)
    monkeypatch.setattr(journal, "CHECKPOINT_BYTES", 4000)
    monkeypatch.setattr(parts, "PART_BYTES", 8000)
    monkeypatch.setattr(parts, "_CHUNK", 1000)


class Served:
    """A source that dies with its pod once it has given so many bytes; counts what it gave."""

    def __init__(self, content: bytes, dies_after: int | None = None) -> None:
        self._content = content
        self._dies_after = dies_after
        self.given = 0

    def open(self, start: int, stop: int | None) -> ByteStream:
        if self._dies_after is not None and start >= self._dies_after:
            raise LoaderError(Reason.INTERNAL_ERROR, "the pod dies")
        self.given += (len(self._content) if stop is None else stop) - start
        return io.BytesIO(self._content[start:stop])

    def archive(self) -> Resolved:
        return Resolved(IDENTITY, (SourceFile("m.tar", len(self._content), self.open),), is_archive=True)


def fetch(staging: Staging, resolved: Resolved) -> Fetched:
    """Pull as a pod does that finds what another has left."""
    staging.prepare()
    meter = Meter(LineDisplay("pull", io.StringIO()), Deadline())
    return Fetch(staging.source, staging.journal, meter, Deadline()).run(resolved, None)


def dies(staging: Staging, resolved: Resolved) -> None:
    with pytest.raises(LoaderError, match="the pod dies"):
        fetch(staging, resolved)


def contents(staging: Staging) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in staging.source.iterdir()}


def test_a_tar_goes_on_in_a_new_pod_with_the_same_result(store: Path) -> None:
    dies(Staging(store, "job", "pod-1"), Served(TAR, dies_after=150_000).archive())
    second = Staging(store, "job", "pod-2")
    whole = Served(TAR)
    fetched = fetch(second, whole.archive())
    assert fetched.archive_sha256 == hashlib.sha256(TAR).hexdigest()
    assert {name: file.sha256 for name, file in fetched.files.items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in FILES
    }
    assert contents(second) == dict(FILES)
    assert whole.given < len(TAR), "what is on the volume is not fetched again"
    assert [path.name for path in (store / "staging" / "job").iterdir()] == ["pod-2"]


def test_bare_files_go_on_too(store: Path) -> None:
    def files(dies_after: int | None) -> tuple[Resolved, list[Served]]:
        served = [Served(content, dies_after if name == "more.bin" else None) for name, content in FILES]
        found = [SourceFile(name, len(content), one.open) for (name, content), one in zip(FILES, served, strict=True)]
        return Resolved("hf://org/name@1", tuple(found), is_archive=False), served

    dies(Staging(store, "job", "pod-1"), files(dies_after=30_000)[0])
    second = Staging(store, "job", "pod-2")
    resolved, served = files(dies_after=None)
    fetched = fetch(second, resolved)
    assert contents(second) == dict(FILES)
    assert fetched.files["model.bin"].sha256 == hashlib.sha256(FILES[1][1]).hexdigest()
    assert served[1].given < len(FILES[1][1])


def test_other_content_of_the_same_name_is_pulled_from_its_start(store: Path) -> None:
    dies(Staging(store, "job", "pod-1"), Served(TAR, dies_after=150_000).archive())
    others = [("model.bin", random.Random(4).randbytes(100_000))]
    other = replace(Served(plain(others)).archive(), identity="s3://models/m.tar#etag=2")
    second = Staging(store, "job", "pod-2")
    fetch(second, other)
    assert contents(second) == dict(others)


def test_a_compressed_archive_starts_anew(store: Path) -> None:
    packed = compressed(TAR, ".tar.zst")
    dies(Staging(store, "job", "pod-1"), Served(packed, dies_after=150_000).archive())
    second = Staging(store, "job", "pod-2")
    fetch(second, Served(packed).archive())
    assert contents(second) == dict(FILES)


def _tear(source: Path) -> None:
    with (source / "model.bin").open("ab") as file:
        file.write(b"torn" * 1000)


def _lose(source: Path) -> None:
    (source / "model.bin").unlink()


def _shorten(source: Path) -> None:
    with (source / "model.bin").open("r+b") as file:
        file.truncate(10)


def _replace_by_link(source: Path) -> None:
    (source / "model.bin").rename(source.parent / "elsewhere")
    (source / "model.bin").symlink_to(source.parent / "elsewhere")


def _spoil_journal(source: Path) -> None:
    (source.parent / "journal.json").write_text('{"identity": 1, "files": ["x"]')


@pytest.mark.parametrize("crash", [_tear, _lose, _shorten, _replace_by_link, _spoil_journal])
def test_what_a_crashed_node_left_behind_does_no_harm(store: Path, crash: Callable[[Path], None]) -> None:
    first = Staging(store, "job", "pod-1")
    dies(first, Served(TAR, dies_after=150_000).archive())
    crash(first.source)
    second = Staging(store, "job", "pod-2")
    fetched = fetch(second, Served(TAR).archive())
    assert contents(second) == dict(FILES)
    assert fetched.archive_sha256 == hashlib.sha256(TAR).hexdigest()


def test_a_second_death_changes_nothing(store: Path) -> None:
    for pod, dies_after in (("pod-1", 60_000), ("pod-2", 120_000), ("pod-3", 180_000)):
        dies(Staging(store, "job", pod), Served(TAR, dies_after=dies_after).archive())
    last = Staging(store, "job", "pod-4")
    served = Served(TAR)
    fetch(last, served.archive())
    assert contents(last) == dict(FILES)
    assert served.given < len(TAR)


def test_another_job_takes_over_nothing(store: Path) -> None:
    dies(Staging(store, "job-1", "pod"), Served(TAR, dies_after=150_000).archive())
    served = Served(TAR)
    fetch(Staging(store, "job-2", "pod"), served.archive())
    assert served.given == len(TAR)


def test_a_permanent_failure_keeps_nothing(job: Job, s3: S3Server, archives: Archives) -> None:
    s3.put("models", "wrong.tar", archives.whole(".tar"))
    reach = ("s3://models/wrong.tar", "--endpoint", s3.endpoint)
    job.fails(Reason.CHECKSUM_MISMATCH, "pull", *reach, "--sha256", "0" * 64, env=s3.environment)


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "deaths"), [(".tar", 3), (".tar.zst", 2), (".tar.gz", 2)])
def test_pods_killed_at_random_moments_come_to_the_same_artifact(
    suffix: str, deaths: int, store: Path, tmp_path: Path, s3: S3Server, archives: Archives, published_artifact: Path
) -> None:
    s3.put("models", KILLED, archives.whole(suffix))
    with throttled(s3.host, (s3.host, s3.port), bytes_per_second=6_000_000) as port:
        for number in range(deaths):
            killed(Job(store, tmp_path / "log", pod_uid=f"pod-{number}"), s3, port, random.uniform(0.5, 2.5))
            assert not list(store.glob("artifacts/*")), "a pod that pulls publishes nothing"
    last = Job(store, tmp_path / "log", pod_uid="last")
    for step in (("pull", f"s3://models/{KILLED}", "--endpoint", s3.endpoint), ("convert",), ("publish",)):
        done = last.step(*step, env=s3.environment)
        assert done.exit_code == 0, done.errors
    assert last.message().digest == f"sha256:{published_artifact.name}"
    assert not last.staging.exists()


def killed(job: Job, s3: S3Server, port: int, seconds: float) -> None:
    """Run the pull of a pod and kill it after a while, unless it has ended."""
    command = [str(COMMAND), "job", "pull", f"s3://models/{KILLED}", "--endpoint", f"http://{s3.host}:{port}"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        [*command, "--store", str(job.store)],
        env=environment({**job.env, **s3.environment}),
        stdout=quiet,
        stderr=quiet,
    ) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
