"""Publishing: nothing half, nothing lost, whatever happens in between."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.loader import COMMAND, Job, environment, whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.stores import FILES, contents, prepare
from whisper_contract.manifest import Provenance
from whisper_loader.store import artifacts, records
from whisper_loader.store.artifacts import find_artifact, publish

# Publishes in a process of its own; says when it begins so that it can be killed at any moment.
PUBLISH = """
import sys
from pathlib import Path
from whisper_contract.manifest import Manifest
from whisper_loader.store.artifacts import publish
store, prepared = map(Path, sys.argv[1:])
manifest = Manifest.from_json(Path(prepared.parent, "wanted.json").read_bytes())
print("ready", flush=True)
publish(store, prepared, manifest)
"""


def test_an_artifact_is_whole_and_found_by_its_digest(store: Path) -> None:
    prepared, manifest = prepare(store, "one")
    artifact = publish(store, prepared, manifest)
    assert artifact.path == store / "artifacts" / manifest.digest
    assert contents(artifact.path) == FILES
    assert find_artifact(store, manifest.digest) == artifact


def test_an_equal_artifact_that_is_there_already_stays(store: Path) -> None:
    first, second = prepare(store, "first"), prepare(store, "second")
    publish(store, *first)
    artifact = publish(store, *second)
    assert artifact.manifest.provenance.source == "file:///first"


@pytest.mark.parametrize(
    "fault", ["no manifest", "broken manifest", "manifest of another", "file missing", "file cut", "a file"]
)
def test_what_lies_in_the_way_without_being_an_artifact_is_replaced(fault: str, store: Path) -> None:
    prepared, manifest = prepare(store, "one")
    target = store / "artifacts" / manifest.digest
    shutil.copytree(prepared, target)
    (target / "manifest.json").write_bytes(manifest.to_json())
    match fault:
        case "no manifest":
            (target / "manifest.json").unlink()
        case "broken manifest":
            (target / "manifest.json").write_bytes(manifest.to_json()[:100])
        case "manifest of another":
            (target / "manifest.json").write_bytes(prepare(store, "other", {"a": b"x"})[1].to_json())
        case "file missing":
            (target / "config.json").unlink()
        case "file cut":
            os.truncate(target / "model.bin", 5)
        case "a file":
            shutil.rmtree(target)
            target.write_bytes(b"")
    assert find_artifact(store, manifest.digest) is None
    artifact = publish(store, prepared, manifest)
    assert contents(artifact.path) == FILES


def test_many_publishers_of_one_artifact_all_succeed(store: Path) -> None:
    prepared = [prepare(store, f"publisher-{index}") for index in range(8)]
    found: list[artifacts.Artifact] = []
    threads = [threading.Thread(target=lambda job=job: found.append(publish(store, *job))) for job in prepared]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert {artifact.path for artifact in found} == {store / "artifacts" / prepared[0][1].digest}
    assert contents(found[0].path) == FILES


@pytest.mark.slow
def test_a_publisher_killed_at_any_moment_leaves_nothing_or_everything(store: Path) -> None:
    outcomes = set()
    for attempt in range(12):
        prepared, manifest = prepare(store, f"attempt-{attempt}", {**FILES, "model.bin": bytes([attempt]) * 300_000})
        command: list[str | Path] = [sys.executable, "-c", PUBLISH, store, prepared]
        with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(attempt * 0.0015)
            process.send_signal(signal.SIGKILL)
        artifact = find_artifact(store, manifest.digest)
        outcomes.add(artifact is not None)
        if artifact is None:
            assert not (store / "artifacts" / manifest.digest).exists()
        else:
            assert contents(artifact.path)["model.bin"] == bytes([attempt]) * 300_000
    assert False in outcomes, "the first is killed at once"


def test_a_loader_killed_in_the_middle_does_not_hinder_the_next(job: Job) -> None:
    assert job.step("pull", SPEECH_MODEL).exit_code == 0
    process = subprocess.Popen([COMMAND, "job", "convert", "--store", job.store], env=environment(job.env))
    while not (job.staging / job.pod_uid / "model" / "model.bin").exists() and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not (job.store / "artifacts").exists()
    next_pod = Job(job.store, job.log, pod_uid="next-pod")
    for step, arguments in (("pull", (SPEECH_MODEL,)), ("convert", ()), ("publish", ())):
        assert next_pod.step(step, *arguments).exit_code == 0
    assert not job.staging.exists()


def test_two_pulls_at_once_by_hand_end_in_one_artifact(store: Path) -> None:
    command: list[str | Path] = [COMMAND, "pull", SPEECH_MODEL, "--store", store, "--json"]
    processes = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE) for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert len({json.loads(output)["digest"] for output in outputs}) == 1
    assert len(list((store / "artifacts").iterdir())) == 1
    assert not list((store / "staging").iterdir())


def test_a_record_counts_only_while_its_artifact_is_there(store: Path) -> None:
    artifact = publish(store, *prepare(store, "one"))
    record = records.Record(artifact.manifest.digest, "s3://bucket/key#etag=1", "transformers", "0" * 64)
    records.write(store, "key", record)
    assert records.find(store, "key", None) == (record, artifact)
    assert records.find(store, "key", "0" * 64) == (record, artifact)
    assert records.find(store, "key", "1" * 64) is None
    assert records.find(store, "other", None) is None
    shutil.rmtree(artifact.path)
    assert records.find(store, "key", None) is None


@pytest.mark.parametrize("content", [b"", b"[]", b'{"digest": 1}', b'{"more": 1}'])
def test_a_broken_record_is_no_record(content: bytes, store: Path) -> None:
    (store / "sources").mkdir()
    (store / "sources" / "key.json").write_bytes(content)
    assert records.find(store, "key", None) is None


def test_records_differ_by_content_place_and_conversion() -> None:
    keys = {
        records.record_key(identity, endpoint, quantization)
        for identity in ("a", "b")
        for endpoint in (None, "https://host")
        for quantization in (None, "int8")
    }
    assert len(keys) == 8


def test_list_tells_of_each_artifact_what_it_is_and_whether_it_is_whole(store: Path) -> None:
    artifact = publish(store, *prepare(store, "one"))
    (store / "artifacts" / ("0" * 64)).mkdir()
    (store / "artifacts" / "lost+found").mkdir()
    rows = [line.split(maxsplit=6) for line in whisper_model("list", "--store", store).output.splitlines()]
    assert rows[0] == ["DIGEST", "MB", "QUANTIZATION", "LANGUAGES", "PUBLISHED", "WHOLE", "SOURCE"]
    by_digest = {row[0]: row[1:] for row in rows[1:]}
    whole = ["0.0", "float16", "1", "2026-01-01T00:00:00Z", "yes", "file:///one"]
    assert by_digest.pop(artifact.manifest.digest[:12]) == whole
    (broken,) = by_digest.values()
    assert broken[4] == "no"
    assert "has no manifest.json" in broken[5]


def test_list_says_the_same_in_json(store: Path) -> None:
    artifact = publish(store, *prepare(store, "one"))
    broken = store / "artifacts" / ("0" * 64)
    broken.mkdir()
    listed = {entry["path"]: entry for entry in whisper_model("list", "--store", store, "--json").json["artifacts"]}
    assert listed == {
        str(broken): {
            "digest": "sha256:" + "0" * 64,
            "path": str(broken),
            "whole": False,
            "problems": [f"{broken} has no manifest.json: it is not a published artifact"],
        },
        str(artifact.path): {
            "digest": f"sha256:{artifact.manifest.digest}",
            "path": str(artifact.path),
            "whole": True,
            "quantization": "float16",
            "sizeBytes": artifact.manifest.size_bytes,
            "languages": ["en"],
            "publishedAt": "2026-01-01T00:00:00Z",
            "source": "file:///one",
        },
    }


def test_an_empty_store_has_an_empty_list(store: Path) -> None:
    assert whisper_model("list", "--store", store, "--json").json == {"artifacts": []}
    assert whisper_model("verify", "--all", "--store", store, "--json").json == {"verified": []}


@pytest.mark.parametrize("command", [("list",), ("verify", "--all"), ("gc", "--keep-none")])
@pytest.mark.parametrize("name", ["absent", "a-file"])
def test_a_store_that_is_not_there_is_no_empty_store(command: tuple[str, ...], name: str, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    done = whisper_model(*command, "--store", tmp_path / name)
    assert (done.exit_code, f"there is no folder {tmp_path / name}" in done.errors) == (2, True)


@pytest.mark.parametrize(
    "command", [("list",), ("verify", "--all"), ("gc", "--keep-none"), ("pull", str(SPEECH_MODEL))]
)
def test_an_empty_name_is_not_the_working_directory(command: tuple[str, ...], tmp_path: Path) -> None:
    done = whisper_model(*command, "--store", "", cwd=tmp_path)
    assert (done.exit_code, "--store: the name is empty" in done.errors) == (2, True)
    assert not list(tmp_path.iterdir())


def test_a_manifest_that_somebody_else_wrote_orders_no_terminal_about(store: Path) -> None:
    folder, manifest = prepare(store, "one")
    publish(store, folder, replace(manifest, quantization="\x1b[2J", provenance=Provenance("a\nb  yes", "today")))
    lines = whisper_model("list", "--store", store).output.splitlines()
    assert (len(lines), r"\x1b[2J" in lines[1], r"a\nb  yes" in lines[1]) == (2, True, True)


def test_verify_reads_every_byte_and_names_every_damaged_file(store: Path) -> None:
    artifact, other = publish(store, *prepare(store, "one")), publish(store, *prepare(store, "two", {"a": b"x"}))
    whole = whisper_model("verify", "--all", "--store", store)
    assert (whole.exit_code, whole.output.count("  whole, ")) == (0, 2), whole.errors
    for name in FILES:
        path = artifact.path / name
        path.write_bytes(b"W" + path.read_bytes()[1:])
    done = whisper_model("verify", artifact.manifest.digest[:8], "--store", store)
    assert (done.exit_code, done.output) == (70, "")
    assert all(f"{artifact.path / name} is not as it was published" in done.errors for name in FILES)
    every = whisper_model("verify", "--all", "--store", store)
    assert every.exit_code == 70
    assert every.output.startswith(f"sha256:{other.manifest.digest}  whole"), "one bad artifact hides no good one"


def test_verify_says_which_files_are_missing_cut_or_links(store: Path) -> None:
    artifact = publish(store, *prepare(store, "one", {"a": b"aa", "b": b"bb", "c": b"cc"}))
    (artifact.path / "a").unlink()
    os.truncate(artifact.path / "b", 1)
    (artifact.path / "c").unlink()
    (artifact.path / "c").symlink_to("/etc/hostname")
    done = whisper_model("verify", "--all", "--store", store, "--json").json
    assert "1 of 1 artifacts are damaged" in done["message"]
    assert done["details"] == [
        f"{artifact.path / 'a'} is missing",
        f"{artifact.path / 'b'} has 1 bytes, and 2 were published",
        f"{artifact.path / 'c'} is not a file",
    ]


def test_verify_names_every_damaged_file_however_many_there_are(store: Path) -> None:
    names = [f"file-{number}" for number in range(30)]
    artifact = publish(store, *prepare(store, "one", dict.fromkeys(names, b"good")))
    for name in names:
        (artifact.path / name).write_bytes(b"evil")
    done = whisper_model("verify", "--all", "--store", store, "--json")
    assert [line.split()[0] for line in done.json["details"]] == sorted(str(artifact.path / name) for name in names)
    assert all(f"\n{artifact.path / name} is not as it was published" in done.errors for name in names)


def test_verify_in_json_names_what_is_whole(store: Path) -> None:
    artifact = publish(store, *prepare(store, "one"))
    done = whisper_model("verify", "--all", "--store", store, "--json")
    assert done.json == {"verified": [f"sha256:{artifact.manifest.digest}"]}


@pytest.mark.parametrize("digest", ["ffff", "sha256:ffff", ""])
def test_verify_of_an_unknown_digest_is_a_usage_error(digest: str, store: Path) -> None:
    done = whisper_model("verify", digest, "--store", store)
    assert (done.exit_code, "no artifact" in done.errors) == (2, True)


def test_verify_wants_to_be_told_what(store: Path) -> None:
    done = whisper_model("verify", "--store", store)
    assert (done.exit_code, "DIGEST --all is required" in done.errors) == (2, True)
