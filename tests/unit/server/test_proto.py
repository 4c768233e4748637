"""Our own protocol: its stubs are what the proto makes, it keeps buf's rules, and goes on with what was published."""

import re
import shutil
from pathlib import Path

import pytest

from tests.support.buf import PUBLISHED, buf
from tests.support.stubs import API, PROTO, PROTOS, write_stubs


def test_the_stubs_are_those_that_the_proto_makes(tmp_path: Path) -> None:
    write_stubs(tmp_path)
    written = {file.name: file.read_text() for file in tmp_path.iterdir()}
    committed = {file.name: file.read_text() for file in API.iterdir() if "_pb2" in file.name and file.is_file()}
    assert committed == written, "run make proto"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the protocol to change."""
    return Path(shutil.copytree(PROTOS, tmp_path / "proto"))


def replace(folder: Path, old: str, new: str) -> None:
    text, changes = re.subn(old, new, (folder / PROTO).read_text(), count=1)
    assert changes
    (folder / PROTO).write_text(text)


def test_it_keeps_bufs_rules() -> None:
    found = buf("lint")
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_field_without_a_comment_is_found(changed: Path) -> None:
    replace(changed, r"  // One word\.\n|  // From 0 to 1\.\n", "")
    found = buf("lint", folder=changed)
    assert found.returncode != 0
    assert "should have a non-empty comment for documentation" in found.stdout


def test_it_goes_on_with_what_was_published() -> None:
    found = buf("breaking", "--against", str(PUBLISHED))
    assert found.returncode == 0, found.stdout + found.stderr


def test_a_field_that_was_published_has_to_stay_as_it_is(changed: Path) -> None:
    replace(changed, r"repeated Word words = 6;", "repeated Word words = 12;")
    found = buf("breaking", "--against", str(PUBLISHED), folder=changed)
    assert found.returncode != 0
    assert 'field "6" with name "words" on message "Segment" was deleted' in found.stdout
