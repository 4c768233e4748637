"""Packing: equal models give equal bytes, and only what a model needs goes in."""

import io
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.loader import COMMAND, environment, whisper_model
from tests.support.models import SPEECH_MODEL
from whisper_contract.reasons import FAILURES, Reason
from whisper_loader.archive.pack import SUFFIXES, pack
from whisper_loader.commands.pack import pack_model
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.hashing import sha256_of
from whisper_loader.progress import LineDisplay, Meter

NEEDED = ("config.json", "generation_config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_model_gives_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(SPEECH_MODEL, copy)
    for path in copy.iterdir():
        path.chmod(0o600)
        os.utime(path, (1, 1))
    first, second = tmp_path / f"first{suffix}", tmp_path / "elsewhere" / f"second{suffix}"
    second.parent.mkdir()
    done = whisper_model("pack", SPEECH_MODEL, "-o", first, "--json")
    again = whisper_model("pack", copy, "-o", second)
    assert (done.exit_code, again.exit_code) == (0, 0), done.errors + again.errors
    assert first.read_bytes() == second.read_bytes()
    assert done.json == {"path": str(first), "sha256": sha256_of(first), "sizeBytes": first.stat().st_size}
    assert again.output == f"{sha256_of(second)}  {second}\n"


def test_only_what_a_model_needs_is_packed_as_plain_files_of_nobody(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(SPEECH_MODEL, copy)
    (copy / "a\x1b[2J\n").touch()
    done = whisper_model("pack", copy, "-o", tmp_path / "model.tar")
    assert r"left out, not needed: a\x1b[2J\n, tokenizer_config.json" in done.errors
    with tarfile.open(tmp_path / "model.tar") as tar:
        members = tar.getmembers()
    assert tuple(member.name for member in members) == NEEDED
    assert {(member.uid, member.gid, member.uname, member.mtime, member.mode) for member in members} == {
        (0, 0, "", 0, 0o644)
    }


def test_links_of_a_download_cache_are_packed_as_what_they_point_to(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for path in SPEECH_MODEL.iterdir():
        (snapshot / path.name).symlink_to(path)
    for name, source in (("linked.tar", snapshot), ("plain.tar", SPEECH_MODEL)):
        assert whisper_model("pack", source, "-o", tmp_path / name).exit_code == 0
    assert (tmp_path / "linked.tar").read_bytes() == (tmp_path / "plain.tar").read_bytes()


def test_what_cannot_be_packed_leaves_no_archive(tmp_path: Path) -> None:
    pickles = tmp_path / "pickles"
    pickles.mkdir()
    (pickles / "pytorch_model.bin").write_bytes(b"\x80\x02")
    for source, output, reason in (
        (pickles, "model.tar", Reason.UNSUPPORTED_FORMAT),
        (SPEECH_MODEL, "model.zip", Reason.SPEC_INVALID),
        (tmp_path / "absent", "model.tar", Reason.SOURCE_NOT_FOUND),
    ):
        done = whisper_model("pack", source, "-o", tmp_path / output)
        assert done.exit_code == FAILURES[reason].exit_code, done.errors
        assert f"{reason}: " in done.errors
        assert not (tmp_path / output).exists()


def test_the_archive_that_was_there_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    output = tmp_path / "model.tar"
    output.write_bytes(b"old")
    with pytest.raises(LoaderError):
        pack_model(SPEECH_MODEL, output, Meter(LineDisplay("pack", io.StringIO()), Deadline(0)))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"model.tar": b"old"}


def test_an_output_that_leads_to_a_file_of_the_model_does_not_cost_it(tmp_path: Path) -> None:
    model, output = tmp_path / "model", tmp_path / "linked.tar"
    shutil.copytree(SPEECH_MODEL, model)
    output.symlink_to(model / "model.safetensors")
    for place in (output, tmp_path / "plain.tar"):
        assert whisper_model("pack", model, "-o", place).exit_code == 0
    assert output.read_bytes() == (tmp_path / "plain.tar").read_bytes()
    assert (model / "model.safetensors").read_bytes() == (SPEECH_MODEL / "model.safetensors").read_bytes()


@pytest.mark.parametrize("output", ["absent/model.tar", "folder.tar", "file/model.tar"])
def test_a_place_where_no_archive_can_be_made_is_named_and_not_the_model(output: str, tmp_path: Path) -> None:
    (tmp_path / "folder.tar").mkdir()
    (tmp_path / "file").touch()
    done = whisper_model("pack", SPEECH_MODEL, "-o", tmp_path / output)
    assert (done.exit_code, f"SpecInvalid: --output: {tmp_path / output} can't be made" in done.errors) == (2, True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder.tar"]


def test_a_disk_that_becomes_full_is_told_and_the_part_removed(tmp_path: Path) -> None:
    own_user = [] if os.getuid() == 0 else ["--map-root-user"]
    script = 'mount -t tmpfs -o size=4m tmpfs "$1" && "$2" pack "$0" -o "$1/model.tar"; code=$?; ls "$1"; exit $code'
    command: list[str | Path] = ["unshare", "--mount", *own_user, "sh", "-c", script, SPEECH_MODEL, tmp_path, COMMAND]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == FAILURES[Reason.OUT_OF_SPACE].exit_code, done.stderr
    assert (f"the volume at {tmp_path}/model.tar is full" in done.stderr, done.stdout) == (True, "")


@dataclass
class _Meddler:
    """A display that gives a file another size as soon as anything of it was read."""

    path: Path
    size: int

    def show(self, _bytes_done: int, _bytes_total: int | None) -> None:
        os.truncate(self.path, self.size)

    def close(self, _bytes_done: int, _bytes_total: int | None) -> None:
        """Nothing is left to do."""


@pytest.mark.parametrize("size", [1 << 20, 5 << 20])
def test_a_file_that_is_written_to_while_it_is_packed_is_noticed(size: int, tmp_path: Path) -> None:
    weights = tmp_path / "model.bin"
    weights.write_bytes(bytes(4 << 20))
    meter = Meter(_Meddler(weights, size), Deadline())
    with pytest.raises(LoaderError) as raised:
        pack(tmp_path, ["model.bin"], io.BytesIO(), "model.tar", meter)
    assert (raised.value.reason, str(weights) in raised.value.message) == (Reason.SOURCE_CHANGED, True)
