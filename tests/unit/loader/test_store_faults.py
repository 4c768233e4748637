"""Volumes that lack something, and loaders that die at any moment: never a half artifact, never a lost one.

The faults are the kernel's own: small, read-only and split mounts, and system calls that it refuses (`support.refuse`).
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.loader import COMMAND, Done, Job, environment, whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.stores import published
from whisper_contract.reasons import FAILURES, Reason
from whisper_loader.store.artifacts import Damage, list_artifacts

pytestmark = pytest.mark.slow

REFUSE = Path(__file__).parents[2] / "support" / "refuse.py"


def refused(faults: str, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Done:
    """Run whisper-model with system calls that fail."""
    command = [sys.executable, REFUSE, faults, COMMAND, *arguments]
    done = subprocess.run(command, env=environment(env), capture_output=True, text=True, check=False, timeout=240)
    return Done(done.returncode, done.stdout, done.stderr)


def pull(store: Path, *, faults: str) -> Done:
    return refused(faults, "pull", SPEECH_MODEL, "--store", store)


def pull_mounted(store: Path, mount: str) -> Done:
    """Pull in a mount namespace after `mount`, with the store in "$1"; the output ends with the files that are left."""
    own_user = [] if os.getuid() == 0 else ["--map-root-user"]
    script = f'{mount} && "$2" pull "$0" --store "$1"; code=$?; find "$1" -type f; exit $code'
    command: list[str | Path] = ["unshare", "--mount", *own_user, "sh", "-c", script, SPEECH_MODEL, store, COMMAND]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=240)
    return Done(done.returncode, done.stdout, done.stderr)


def fails(done: Done, reason: Reason) -> str:
    """Check that a pull failed for `reason`, and return what it said."""
    assert done.exit_code == FAILURES[reason].exit_code, done.errors
    assert f"\n{reason}: " in f"\n{done.errors}"
    assert "Traceback" not in done.errors
    return done.errors


def test_a_full_volume_gets_its_space_back(store: Path) -> None:
    done = pull_mounted(store, 'mount -t tmpfs -o size=24m tmpfs "$1"')
    assert "is full" in fails(done, Reason.OUT_OF_SPACE)
    assert done.output == "", "no file is left"


def test_an_archive_needs_no_room_beside_its_files(job: Job, archives: Archives) -> None:
    archive = archives.whole(".tar")
    room = archive.stat().st_size * 5 // 4
    script = f'mount -t tmpfs -o size={room} tmpfs "$1" && TMPDIR="$1" "$2" job pull "$0" --store "$1"'
    own_user = [] if os.getuid() == 0 else ["--map-root-user"]
    command: list[str | Path] = ["unshare", "--mount", *own_user, "sh", "-c", script, archive, job.store, COMMAND]
    done = subprocess.run(command, env=environment(job.env), capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("folder", ["artifacts", "sources", "staging"])
@pytest.mark.parametrize("what", ["a file", "a link to nowhere"])
def test_what_lies_where_the_store_has_a_folder_is_named(what: str, folder: str, store: Path) -> None:
    if what == "a file":
        (store / folder).touch()
    else:
        (store / folder).symlink_to(store / "nowhere")
    said = fails(whisper_model("pull", SPEECH_MODEL, "--store", store), Reason.CLAIM_NOT_WRITABLE)
    assert f"lies in the way of {store}/{folder}" in said


def test_a_volume_that_becomes_full_at_the_last_moment_is_told_too(store: Path) -> None:
    """Network file systems promise the space for a write only when it is flushed."""
    for error in ("ENOSPC", "EDQUOT"):
        fails(pull(store, faults=f"fsync={error}"), Reason.OUT_OF_SPACE)
        assert not [path for path in store.rglob("*") if path.is_file()]


def test_a_read_only_volume_is_told(store: Path) -> None:
    done = pull_mounted(store, 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"')
    assert str(store) in fails(done, Reason.CLAIM_NOT_WRITABLE)


def test_a_store_in_two_mounts_cannot_publish_and_says_why(store: Path) -> None:
    (store / "staging").mkdir()
    done = pull_mounted(store, 'mount -t tmpfs tmpfs "$1/staging"')
    said = fails(done, Reason.CLAIM_NOT_WRITABLE)
    assert f"can't rename folders from {store}/staging/" in said
    assert "with the whole store on one volume" in said
    assert done.output == "", "no file is left"


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EOPNOTSUPP"])
def test_a_volume_without_rename_is_told_in_words(error: str, store: Path) -> None:
    said = fails(pull(store, faults=f"rename={error}"), Reason.CLAIM_NOT_WRITABLE)
    assert "the volume can't rename" in said
    assert "mounts of object stores can't; use NFS, CephFS or a block device" in said
    assert not [path for path in store.rglob("*") if path.is_file()]


def test_gc_on_a_volume_without_rename_removes_nothing_and_says_why(store: Path) -> None:
    artifact = published(store, "one", age=7200)
    done = refused("rename=ENOSYS", "gc", "--store", store, "--keep-none")
    assert "can't rename folders" in fails(done, Reason.CLAIM_NOT_WRITABLE)
    assert next(list_artifacts(store)) == (artifact.path, artifact.manifest)


@pytest.mark.parametrize("error", ["EINVAL", "EOPNOTSUPP"])
def test_a_volume_without_fsync_works_and_says_once_what_that_means(error: str, store: Path) -> None:
    done = pull(store, faults=f"fsync={error}")
    assert done.exit_code == 0, done.errors
    assert done.errors.count("no fsync: a power cut can damage") == 1
    assert whisper_model("verify", "--all", "--store", store).exit_code == 0


def test_without_fsync_a_pull_notes_nothing_to_go_on_with_for_it_could_be_wrong(job: Job, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(SPEECH_MODEL, checkpoint)
    os.truncate(checkpoint / "model.safetensors", 200 << 20)
    for faults, noted in (("fsync=EINVAL", False), ("", True)):
        done = refused(faults, "job", "pull", checkpoint, "--store", job.store, env=job.env)
        assert done.exit_code == 0, done.errors
        assert (job.staging / job.pod_uid / "journal.json").exists() is noted


def test_a_volume_whose_server_went_away_is_tried_again(store: Path) -> None:
    done = pull(store, faults="fsync=ESTALE")
    assert "Stale file handle" in fails(done, Reason.VOLUME_FAILED)
    assert not FAILURES[Reason.VOLUME_FAILED].permanent
    assert not list(store.glob("artifacts/*"))


def test_gc_needs_no_space_itself(store: Path) -> None:
    digest = "0" * 64
    script = (
        'mount -t tmpfs -o size=1m tmpfs "$0" && mkdir -p "$0/staging" "$0/artifacts/$2" && '
        '! head -c 2M /dev/zero 2>/dev/null > "$0/artifacts/$2/model.bin" && '
        '"$1" gc --store "$0" --keep-none --grace 0 && find "$0" -type f'
    )
    own_user = [] if os.getuid() == 0 else ["--map-root-user"]
    command: list[str | Path] = ["unshare", "--mount", *own_user, "sh", "-c", script, store, COMMAND, digest]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=240)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"freed {1 << 20} bytes"), done.stderr


@pytest.mark.parametrize("error", ["EPERM", "EACCES", "EROFS"])
def test_an_artifact_that_this_user_may_not_date_anew_is_used_all_the_same(error: str, store: Path) -> None:
    assert whisper_model("pull", SPEECH_MODEL, "--store", store).exit_code == 0
    again = refused(f"utime={error}", "pull", SPEECH_MODEL, "--store", store)
    assert (again.exit_code, "is published already" in again.errors) == (0, True), again.errors


def test_what_is_mounted_upon_is_left_for_a_later_gc(store: Path) -> None:
    (store / "staging" / "dead" / "pod").mkdir(parents=True)
    script = 'mount -t tmpfs tmpfs "$0/staging/dead/pod" && "$1" gc --store "$0" --keep-none --grace 0'
    own_user = [] if os.getuid() == 0 else ["--map-root-user"]
    command: list[str | Path] = ["unshare", "--mount", *own_user, "sh", "-c", script, store, COMMAND]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=240)
    assert (done.returncode, "still held, partly removed" in done.stdout) == (0, True), done.stderr
    assert "removed: " in whisper_model("gc", "--store", store, "--keep-none", "--grace", "0").output
    assert not list((store / "staging").iterdir())


@pytest.mark.parametrize("form", ["folder", ".tar", ".tar.zst", ".tar.gz"])
def test_a_pull_killed_at_any_moment_never_shows_a_half_artifact(form: str, store: Path, archives: Archives) -> None:
    source = SPEECH_MODEL if form == "folder" else archives.whole(form)
    whole_time = _time_of(store, source)
    assert whisper_model("gc", "--store", store, "--keep-none", "--grace", "0").exit_code == 0
    moments = [random.uniform(0.2, 1.0) for _ in range(3)]
    for moment in moments:
        _pull_and_kill(store, source, moment * whole_time)
        found = [entry for _, entry in list_artifacts(store)]
        assert not [entry for entry in found if isinstance(entry, Damage)], f"killed at {moment} of {whole_time} s"
        if found:  # this one was faster than the kill: the next begins afresh
            assert whisper_model("verify", "--all", "--store", store).exit_code == 0
            whisper_model("gc", "--store", store, "--keep-none", "--grace", "0")
    assert whisper_model("pull", source, "--store", store).exit_code == 0
    _only_the_artifact_is_left_after_gc(store)


def _time_of(store: Path, source: Path) -> float:
    begin = time.monotonic()
    assert whisper_model("pull", source, "--store", store).exit_code == 0
    return time.monotonic() - begin


def _pull_and_kill(store: Path, source: Path, after: float) -> None:
    command: list[str | Path] = [COMMAND, "pull", source, "--store", store]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(after)
        process.send_signal(signal.SIGKILL)


def _only_the_artifact_is_left_after_gc(store: Path) -> None:
    verified = whisper_model("verify", "--all", "--store", store, "--json")
    assert verified.exit_code == 0, verified.errors
    (digest,) = verified.json["verified"]
    assert whisper_model("gc", "--store", store, "--keep", digest, "--grace", "0").exit_code == 0
    assert len(list((store / "artifacts").iterdir())) == 1
    assert len(list((store / "sources").iterdir())) == 1
    assert not list((store / "staging").iterdir())
    assert whisper_model("verify", digest, "--store", store).exit_code == 0


def test_the_staging_of_a_job_is_removed_once_it_is_not_said_to_run(job: Job) -> None:
    assert job.step("pull", SPEECH_MODEL).exit_code == 0
    running = whisper_model(
        "gc", "--store", job.store, "--keep-none", "--grace", "0", "--running-job", job.job_uid, "--json"
    )
    assert running.json["items"] == []
    dead = whisper_model("gc", "--store", job.store, "--keep-none", "--grace", "0", "--json")
    assert [item["path"] for item in dead.json["items"]] == [str(job.staging)]
    assert dead.json["freedBytes"] >= sum(entry.stat().st_size for entry in SPEECH_MODEL.iterdir())
