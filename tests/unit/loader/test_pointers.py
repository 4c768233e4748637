"""A checkout of Git LFS without its files is told as such, wherever it comes from, with the command that mends it."""

from pathlib import Path

import pytest

from tests.support.checkpoints import copy_model
from tests.support.loader import Job, whisper_model
from tests.support.tars import plain
from whisper_contract.reasons import FAILURES, Reason

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a2146" * 8 + b"\nsize 1617824864\n"
SAID = "is a Git LFS pointer and not the file itself: run git lfs pull where it was checked out"


@pytest.fixture(params=["model.safetensors", "tokenizer.json"])
def pointer(request: pytest.FixtureRequest) -> str:
    """The file that is a pointer."""
    name: str = request.param
    return name


@pytest.fixture
def checkout(pointer: str, tmp_path: Path) -> Path:
    checkout = copy_model(tmp_path / "checkout")
    (checkout / pointer).write_bytes(POINTER)
    return checkout


def test_a_pull_of_the_checkout_reads_nothing_of_it(checkout: Path, pointer: str, job: Job) -> None:
    assert job.fails(Reason.UNSUPPORTED_FORMAT, "pull", checkout) == f"{pointer} {SAID}"


def test_an_archive_of_the_checkout_is_none_of_a_model(checkout: Path, pointer: str, job: Job) -> None:
    archive = checkout.with_suffix(".tar")
    archive.write_bytes(plain([(f"model/{path.name}", path.read_bytes()) for path in checkout.iterdir()]))
    assert job.fails(Reason.UNSUPPORTED_FORMAT, "pull", archive) == f"{pointer} {SAID}"


@pytest.mark.parametrize("command", [("pack", "-o", "model.tar"), ("convert", "-o", "converted")])
def test_no_command_takes_it_for_a_model(command: tuple[str, ...], checkout: Path, pointer: str) -> None:
    done = whisper_model(command[0], checkout, command[1], checkout.parent / command[2])
    assert done.exit_code == FAILURES[Reason.UNSUPPORTED_FORMAT].exit_code
    assert f"UnsupportedFormat: {pointer} {SAID}\n" in done.errors
    assert {path.name for path in checkout.parent.iterdir()} == {"checkout"}


def test_a_large_file_that_begins_like_a_pointer_is_none(tmp_path: Path) -> None:
    model = copy_model(tmp_path / "model")
    (model / "merges.txt").write_bytes(POINTER)
    (model / "model.safetensors").write_bytes(POINTER + bytes(2000))
    assert whisper_model("pack", model, "-o", tmp_path / "model.tar").exit_code == 0
