"""The Hub as a source: what is read and checked, and each way in which it fails."""

from pathlib import Path

import pytest

from tests.support.hub import Hub
from tests.support.loader import Done, Job
from tests.support.models import SPEECH_MODEL
from whisper_contract.manifest import Manifest
from whisper_contract.reasons import Reason

FILES = {path.name: path.read_bytes() for path in SPEECH_MODEL.iterdir()}
EXTRAS = {
    "README.md": b"# A model",
    "pytorch_model.bin": b"\x80\x02",
    "training_args.bin": b"\x80\x02",
    "onnx/model.onnx": b"",
}


@pytest.fixture(autouse=True)
def repositories(hub: Hub) -> None:
    hub.add("org/whisper", FILES | EXTRAS)
    hub.add("org/private", FILES, private=True)
    hub.add("org/gated", FILES, gated=True)
    hub.add("org/pickled", {"config.json": b"{}", "pytorch_model.bin": b"\x80\x02"})
    hub.add("org/dataset", {"README.md": b"# Data"})


def secret(tmp_path: Path, **keys: str) -> Path:
    folder = tmp_path / "secret"
    folder.mkdir(parents=True, exist_ok=True)
    for key, value in keys.items():
        (folder / key).write_text(value + "\n")
    return folder


def pull(job: Job, hub: Hub, uri: str, *arguments: str | Path) -> Done:
    done = job.step("pull", uri, "--endpoint", hub.endpoint, *arguments)
    assert done.exit_code == 0, done.errors
    return done


def pulled(job: Job) -> set[str]:
    return {path.name for path in (job.staging / job.pod_uid / "source").iterdir()}


def test_a_branch_is_resolved_to_its_commit_and_published(job: Job, hub: Hub) -> None:
    pull(job, hub, "hf://org/whisper")
    assert job.step("convert").exit_code == 0
    assert job.step("publish").exit_code == 0
    commit = hub.repositories["org/whisper"].references["main"]
    assert job.message().source == f"hf://org/whisper@{commit}"
    (path,) = (job.store / "artifacts").iterdir()
    assert Manifest.from_json((path / "manifest.json").read_bytes()).provenance.source == job.message().source


def test_only_the_files_that_a_whisper_needs_are_asked_for(job: Job, hub: Hub) -> None:
    pull(job, hub, "hf://org/whisper")
    assert pulled(job) == set(FILES) - {"tokenizer_config.json"}
    assert not any(name in request for request in hub.requests for name in EXTRAS)


def test_a_repository_that_is_converted_already_gives_just_that(job: Job, hub: Hub, published_artifact: Path) -> None:
    converted = {path.name: path.read_bytes() for path in published_artifact.iterdir()}
    hub.add("org/both", FILES | converted)
    pull(job, hub, "hf://org/both")
    assert pulled(job) == set(converted) - {"manifest.json"}


def test_a_commit_stays_what_it_was_when_the_branch_moves_on(job: Job, hub: Hub) -> None:
    repository = hub.repositories["org/whisper"]
    old = repository.references["main"]
    repository.commit({"README.md": b"everything is gone"})
    pull(job, hub, f"hf://org/whisper@{old}")
    job.fails(Reason.UNSUPPORTED_FORMAT, "pull", "hf://org/whisper", "--endpoint", hub.endpoint)


def test_a_branch_may_have_a_slash(job: Job, hub: Hub) -> None:
    hub.repositories["org/whisper"].commit(FILES, "refs/pr/1")
    pull(job, hub, "hf://org/whisper@refs/pr/1")


def test_the_endpoint_may_stand_in_the_environment(job: Job, hub: Hub) -> None:
    done = job.step("pull", "hf://org/whisper", env={"HF_ENDPOINT": hub.endpoint})
    assert done.exit_code == 0, done.errors


@pytest.mark.parametrize("repo", ["org/private", "org/gated"])
def test_a_token_of_the_secret_opens_what_is_closed_and_never_goes_to_the_cdn(
    repo: str, job: Job, hub: Hub, tmp_path: Path
) -> None:
    pull(job, hub, f"hf://{repo}", "--secret-dir", secret(tmp_path, token=hub.token))
    assert any("Signature=" in request for request in hub.requests), "the CDN refuses requests with a token"


def test_a_token_of_the_environment_is_used_when_there_is_no_secret(job: Job, hub: Hub) -> None:
    done = job.step("pull", "hf://org/private", "--endpoint", hub.endpoint, env={"HF_TOKEN": hub.token})
    assert done.exit_code == 0, done.errors


def test_asking_anonymously_leaves_the_token_at_home(job: Job, hub: Hub) -> None:
    arguments = ("hf://org/private", "--endpoint", hub.endpoint, "--anonymous")
    job.fails(Reason.SOURCE_NOT_FOUND, "pull", *arguments, env={"HF_TOKEN": hub.token})


FAULTS = {
    "absent": ("hf://org/absent", None, Reason.SOURCE_NOT_FOUND, "no such repository, or it is private"),
    "private without a token": ("hf://org/private", None, Reason.SOURCE_NOT_FOUND, "or it is private"),
    "private for a stranger": ("hf://org/private", "stranger", Reason.SOURCE_NOT_FOUND, "or it is private"),
    "gated without a token": ("hf://org/gated", None, Reason.UNAUTHORIZED, "gated"),
    "gated for a stranger": ("hf://org/gated", "stranger", Reason.UNAUTHORIZED, "gated"),
    "token unknown": ("hf://org/private", "hunter2", Reason.UNAUTHORIZED, "refused the token (401)"),
    "no such revision": ("hf://org/whisper@absent", None, Reason.SOURCE_NOT_FOUND, "no such revision"),
    "only pickles": ("hf://org/pickled", None, Reason.UNSUPPORTED_FORMAT, "pickles (pytorch_model.bin)"),
    "no model": ("hf://org/dataset", None, Reason.UNSUPPORTED_FORMAT, "found README.md"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_each_fault_has_its_reason_and_tells_no_secret(case: str, job: Job, hub: Hub, tmp_path: Path) -> None:
    uri, token, reason, sentence = FAULTS[case]
    tokens = {"stranger": hub.stranger_token}
    folder = () if token is None else ("--secret-dir", secret(tmp_path, token=tokens.get(token, token)))
    arguments = (uri, "--endpoint", hub.endpoint, *folder)
    never_told = ["hunter2", hub.stranger_token, hub.signature]
    assert sentence in job.fails(reason, "pull", *arguments, never_told=never_told)


def test_a_secret_without_a_token_lacks_a_key(job: Job, hub: Hub, tmp_path: Path) -> None:
    arguments = ("hf://org/private", "--endpoint", hub.endpoint, "--secret-dir", secret(tmp_path, password="x"))
    assert "needs token; it has password" in job.fails(Reason.SECRET_KEY_MISSING, "pull", *arguments)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_content_that_the_hub_does_not_list_is_refused(name: str, job: Job, hub: Hub) -> None:
    """Large files have a sha256 there, small ones the id that git gives them."""
    hub.faults.tampered = {name}
    message = job.fails(Reason.CHECKSUM_MISMATCH, "pull", "hf://org/whisper", "--endpoint", hub.endpoint)
    assert name in message


def test_a_download_that_breaks_off_is_taken_up_where_it_broke(job: Job, hub: Hub) -> None:
    hub.faults.break_off_after, hub.faults.break_offs = 1_000_000, 3
    done = pull(job, hub, "hf://org/whisper")
    assert hub.faults.break_offs == 0
    assert done.progress[-1].bytes_done == sum(len(FILES[name]) for name in pulled(job)), "nothing was read twice"


def test_a_download_that_always_breaks_off_is_given_up(job: Job, hub: Hub) -> None:
    hub.faults.break_off_after, hub.faults.break_offs = 1, 1000
    job.fails(Reason.SOURCE_UNREACHABLE, "pull", "hf://org/whisper", "--endpoint", hub.endpoint)


def test_a_hub_that_is_overloaded_for_a_while_is_waited_for(job: Job, hub: Hub) -> None:
    hub.faults.unavailable = 2
    pull(job, hub, "hf://org/whisper")


def test_a_hub_that_stays_overloaded_is_unreachable(job: Job, hub: Hub) -> None:
    hub.faults.unavailable = 1000
    message = job.fails(Reason.SOURCE_UNREACHABLE, "pull", "hf://org/whisper", "--endpoint", hub.endpoint)
    assert "overloaded or broken (503)" in message


def test_a_hub_that_cannot_be_found_is_unreachable(job: Job) -> None:
    job.fails(Reason.SOURCE_UNREACHABLE, "pull", "hf://org/whisper", "--endpoint", "http://name.invalid")


def test_the_clients_cache_is_neither_read_nor_written(job: Job, hub: Hub, tmp_path: Path) -> None:
    home = tmp_path / "hf-home"
    done = job.step("pull", "hf://org/whisper", "--endpoint", hub.endpoint, env={"HF_HOME": str(home)})
    assert done.exit_code == 0, done.errors
    assert not home.exists() or not any(path.is_file() for path in home.rglob("*"))
