"""The Job's three steps, as the processes that its containers run."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.checkpoints import copy_model, edit_json
from tests.support.loader import COMMAND, Job, environment
from tests.support.models import SPEECH_MODEL
from tests.support.s3 import S3Server
from tests.support.throttle import throttled
from whisper_contract.digest import format_digest
from whisper_contract.manifest import Manifest
from whisper_contract.reasons import EXIT_USAGE, FAILURES, Reason
from whisper_loader.hashing import sha256_of

EXIT_SIGTERM = 143


def run_all(job: Job, source: str | Path, *arguments: str) -> None:
    for step, step_arguments in (("pull", (source, *arguments)), ("convert", arguments), ("publish", ())):
        done = job.step(step, *step_arguments)
        assert done.exit_code == 0, done.errors


def artifact(job: Job) -> Path:
    (path,) = (job.store / "artifacts").iterdir()
    return path


def test_three_steps_publish_a_checkpoint_and_leave_the_message(job: Job, archives: Archives) -> None:
    archive = archives.whole()
    run_all(job, archive)
    path = artifact(job)
    manifest = Manifest.from_json((path / "manifest.json").read_bytes())
    message = job.message()
    assert path.name == manifest.digest
    entries = [entry for entry in path.iterdir() if entry.name != "manifest.json"]
    assert {file.path: (file.size, file.sha256) for file in manifest.files} == {
        entry.name: (entry.stat().st_size, sha256_of(entry)) for entry in entries
    }
    assert (manifest.format, manifest.quantization, manifest.mel_bins) == ("ctranslate2", "float16", 80)
    assert manifest.multilingual
    assert {"en", "ko"} < set(manifest.languages)
    assert manifest.converter is not None
    assert manifest.converter.startswith("ctranslate2 ")
    assert (message.step, message.reason, message.digest) == ("publish", "Published", format_digest(path.name))
    assert (message.format, message.quantization) == ("transformers", "float16")
    assert message.size_bytes == manifest.size_bytes
    assert message.source is not None
    assert message.source.startswith(f"file://{archive}#size=")
    assert not job.staging.exists()


def test_what_is_published_can_be_read_by_any_user_whatever_the_umask(job: Job) -> None:
    for step, arguments in (("pull", (SPEECH_MODEL,)), ("convert", ()), ("publish", ())):
        assert job.step(step, *arguments, umask=0o077).exit_code == 0
    assert {entry.stat().st_mode & 0o7777 for entry in artifact(job).iterdir()} == {0o644}
    assert artifact(job).stat().st_mode & 0o7777 == 0o755


def test_steps_before_the_last_leave_no_message_when_they_succeed(job: Job) -> None:
    job.step("pull", SPEECH_MODEL)
    assert not job.log.exists()
    job.step("convert")
    assert not job.log.exists()


def test_progress_lines_on_standard_output_end_at_the_whole(job: Job, archives: Archives) -> None:
    done = job.step("pull", archives.whole())
    last = done.progress[-1]
    assert (last.step, last.percent, last.bytes_done) == ("pull", 100, archives.whole().stat().st_size)
    assert all(line.startswith("progress ") for line in done.output.splitlines())


def test_an_equal_source_is_not_pulled_again(job: Job, archives: Archives) -> None:
    archive = archives.whole()
    run_all(job, archive, "--quantization", "int8")
    before = artifact(job).stat()
    again = Job(job.store, job.log, job_uid="another-job")
    done = again.step("pull", archive, "--quantization", "int8")
    assert "is published already" in done.errors
    assert again.step("convert", "--quantization", "int8").exit_code == 0
    assert again.step("publish").exit_code == 0
    message = again.message()
    assert (message.reason, message.digest) == ("Published", format_digest(artifact(job).name))
    assert (message.format, message.quantization) == ("transformers", "int8_float16")
    assert artifact(job).stat().st_mtime_ns == before.st_mtime_ns
    assert not again.staging.exists()


def test_another_quantization_of_an_equal_source_is_another_artifact(job: Job) -> None:
    run_all(job, SPEECH_MODEL)
    run_all(job, SPEECH_MODEL, "--quantization", "int8")
    assert len(list((job.store / "artifacts").iterdir())) == 2


def test_equal_models_from_different_sources_share_one_artifact(job: Job, archives: Archives) -> None:
    for source in (SPEECH_MODEL, archives.whole(".tar"), archives.whole(".tar.gz")):
        run_all(job, source)
    assert len(list((job.store / "artifacts").iterdir())) == 1
    assert len(list((job.store / "sources").iterdir())) == 3


def test_an_equal_source_under_a_wrong_sha256_is_not_taken_for_known(job: Job, archives: Archives) -> None:
    archive = archives.whole()
    run_all(job, archive)
    done = job.step("pull", archive, "--sha256", "0" * 64)
    assert done.exit_code == 68, done.errors
    assert job.step("pull", archive, "--sha256", sha256_of(archive)).exit_code == 0


def test_a_model_that_is_converted_already_passes_unchanged(job: Job, published_artifact: Path) -> None:
    run_all(job, published_artifact)
    assert artifact(job).name == published_artifact.name
    manifest = Manifest.from_json((artifact(job) / "manifest.json").read_bytes())
    assert manifest.converter is None
    assert job.message().format == "ctranslate2"


def test_the_quantization_that_a_converted_model_has_may_be_asked_for(job: Job, published_artifact: Path) -> None:
    run_all(job, published_artifact, "--quantization", "float16")


def test_another_quantization_of_a_converted_model_is_refused(job: Job, published_artifact: Path) -> None:
    assert job.step("pull", published_artifact, "--quantization", "int8").exit_code == 0
    message = job.fails(Reason.INVALID_MODEL, "convert", "--quantization", "int8")
    assert "in CTranslate2's format already, with float16 weights" in message


def test_pull_and_convert_must_be_told_the_same_quantization(job: Job) -> None:
    assert job.step("pull", SPEECH_MODEL).exit_code == 0
    job.fails(Reason.SPEC_INVALID, "convert", "--quantization", "int8")


def test_a_wrong_sha256_fails_the_pull(job: Job, archives: Archives) -> None:
    message = job.fails(Reason.CHECKSUM_MISMATCH, "pull", archives.whole(), "--sha256", "0" * 64)
    assert sha256_of(archives.whole()) in message


def test_a_corrupted_archive_fails_the_pull(job: Job, archives: Archives) -> None:
    assert "damaged" in job.fails(Reason.CHECKSUM_MISMATCH, "pull", archives.corrupted())


def test_an_archive_with_a_link_fails_the_pull(job: Job, archives: Archives) -> None:
    assert "model/model.safetensors" in job.fails(Reason.UNSAFE_ARCHIVE, "pull", archives.with_link())


def test_a_file_that_is_no_archive_fails_the_pull(job: Job) -> None:
    message = job.fails(Reason.UNSUPPORTED_FORMAT, "pull", SPEECH_MODEL / "config.json")
    assert "found a JSON document" in message


def test_a_folder_of_pickles_fails_the_pull(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "pickles"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02")
    assert "pickles (pytorch_model.bin)" in job.fails(Reason.UNSUPPORTED_FORMAT, "pull", folder)


def test_a_checkpoint_of_another_model_fails_the_conversion(job: Job, tmp_path: Path) -> None:
    source = copy_model(tmp_path / "llm")
    edit_json(source / "config.json", model_type="llama")
    assert job.step("pull", source).exit_code == 0
    assert "'llama'" in job.fails(Reason.INVALID_MODEL, "convert")


def test_a_model_that_is_not_whole_fails_the_publication(job: Job, published_artifact: Path, tmp_path: Path) -> None:
    source = tmp_path / "cut"
    source.mkdir()
    for path in published_artifact.iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    os.truncate(source / "model.bin", 1_000_000)
    assert job.step("pull", source).exit_code == 0
    assert job.step("convert").exit_code == 0
    assert "model.bin is cut short" in job.fails(Reason.INVALID_MODEL, "publish")


def test_a_path_that_is_not_there_fails_the_pull(job: Job, tmp_path: Path) -> None:
    job.fails(Reason.SOURCE_NOT_FOUND, "pull", f"file://{tmp_path}/absent.tar")


@pytest.mark.parametrize(
    "arguments",
    [
        ("gopher://host/model",),
        ("s3://models",),
        (SPEECH_MODEL, "--quantization", "int3"),
        (SPEECH_MODEL, "--sha256", "abc"),
        (SPEECH_MODEL, "--sha256", "0" * 64),
        (SPEECH_MODEL, "--timeout", "0"),
        (SPEECH_MODEL, "--timeout", "nan"),
        ("s3://models/x.tar", "--endpoint", "ftp://host"),
        ("s3://models/x.tar", "--endpoint", "http://key:secret@host"),
        ("hf://org/name", "--endpoint", "http://host:99999"),
    ],
)
def test_values_that_cannot_be_right_are_usage_errors(arguments: tuple[str, ...], job: Job) -> None:
    message = job.fails(Reason.SPEC_INVALID, "pull", *arguments)
    assert "secret" not in message


def test_a_step_without_its_pods_identity_says_which_variables_are_missing(job: Job) -> None:
    message = job.fails(Reason.SPEC_INVALID, "publish", env={"WHISPER_JOB_UID": "../.."})
    assert "WHISPER_JOB_UID" in message


def test_a_step_before_its_time_is_told_from_the_others(job: Job) -> None:
    job.fails(Reason.INTERNAL_ERROR, "convert")


def test_an_unknown_flag_is_a_usage_error(job: Job) -> None:
    assert job.step("pull", SPEECH_MODEL, "--quantisation", "int8").exit_code == EXIT_USAGE


def step_with_mount(job: Job, mount: str) -> Reason:
    """Run a pull in a mount namespace where `mount` was done to the store ("$1"); check its end, return its reason."""
    own_user = [] if os.getuid() == 0 else ["--map-root-user"]
    script = f'{mount} && exec "$2" job pull "$0" --store "$1"'
    command: list[str | Path] = [
        "unshare",
        "--mount",
        *own_user,
        "bash",
        "-c",
        script,
        SPEECH_MODEL,
        job.store,
        COMMAND,
    ]
    done = subprocess.run(command, env=environment(job.env), capture_output=True, text=True, check=False, timeout=240)
    message = job.message()
    reason = Reason(message.reason)
    assert done.returncode == FAILURES[reason].exit_code, done.stderr
    assert str(job.store) in message.message
    assert "Traceback" not in done.stderr
    return reason


def test_a_read_only_volume_is_told(job: Job) -> None:
    read_only = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'
    assert step_with_mount(job, read_only) is Reason.CLAIM_NOT_WRITABLE


def test_a_full_volume_is_told(job: Job) -> None:
    assert step_with_mount(job, 'mount -t tmpfs -o size=8m tmpfs "$1"') is Reason.OUT_OF_SPACE


@dataclass(frozen=True)
class SlowModel:
    """A model whose bytes take `seconds` to come at `bytes_per_second`."""

    uri: str
    seconds: float
    bytes_per_second: int


@pytest.fixture(scope="module")
def slow_model(s3: S3Server, archives: Archives) -> SlowModel:
    archive = archives.whole(".tar")
    s3.put("models", "slow.tar", archive)
    seconds = 90
    return SlowModel("s3://models/slow.tar", seconds, archive.stat().st_size // seconds)


def test_a_pull_that_takes_too_long_ends_in_time(job: Job, s3: S3Server, slow_model: SlowModel) -> None:
    with throttled("127.0.0.1", (s3.host, s3.port), bytes_per_second=slow_model.bytes_per_second) as port:
        began = time.monotonic()
        arguments = (slow_model.uri, "--endpoint", f"http://127.0.0.1:{port}", "--timeout", "4")
        message = job.fails(Reason.DEADLINE_EXCEEDED, "pull", *arguments, env=s3.environment)
        assert time.monotonic() - began < slow_model.seconds / 2, "it waited for all that was to come"
    assert message == "not done within 4 s"


def test_a_terminated_pull_ends_quietly_and_gives_the_space_back(job: Job, s3: S3Server, slow_model: SlowModel) -> None:
    with throttled("127.0.0.1", (s3.host, s3.port), bytes_per_second=slow_model.bytes_per_second) as port:
        options = ("--store", job.store, "--endpoint", f"http://127.0.0.1:{port}")
        command = [COMMAND, "job", "pull", slow_model.uri, *options]
        process = subprocess.Popen(
            list(map(str, command)),
            env=environment({**job.env, **s3.environment}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline().startswith("progress step=pull percent="), "it is in the middle"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=240)
    assert process.returncode == EXIT_SIGTERM
    assert "Traceback" not in errors
    assert not job.log.exists()
    assert not job.staging.exists()


def test_a_new_pod_clears_away_what_a_dead_one_of_its_job_has_left(job: Job) -> None:
    dead = job.staging / "dead-pod" / "source"
    dead.mkdir(parents=True)
    (dead / "half.bin").write_bytes(b"x")
    stranger = job.store / "staging" / "another-job" / "pod"
    stranger.mkdir(parents=True)
    assert job.step("pull", SPEECH_MODEL).exit_code == 0
    assert {path.name for path in job.staging.iterdir()} == {job.pod_uid}
    assert stranger.exists(), "another Job may be at work there"


def test_state_is_json_that_people_can_read(job: Job) -> None:
    job.step("pull", SPEECH_MODEL)
    state = json.loads((job.staging / job.pod_uid / "state.json").read_text())
    assert state["format"] == "transformers"
