"""Files and directories as a source."""

import os
from pathlib import Path, PurePosixPath

import pytest

from tests.support.models import SPEECH_MODEL
from whisper_contract.reasons import Reason
from whisper_contract.uris import FileSource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.source import Resolved
from whisper_loader.sources.files import resolve


def resolved(path: Path) -> Resolved:
    return resolve(FileSource(PurePosixPath(path)), Access())


def test_a_file_is_known_by_path_size_and_time_of_change(tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    path.write_bytes(b"12345")
    os.utime(path, ns=(7, 7))
    before = resolved(path).identity
    assert before == f"file://{path}#size=5&mtime=7"
    os.utime(path, ns=(8, 8))
    assert resolved(path).identity != before


def test_a_relative_path_is_known_by_where_it_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.tar").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert resolved(Path("model.tar")).identity.startswith(f"file://{tmp_path}/model.tar#")


def test_a_directory_is_known_by_the_model_in_it_and_not_by_what_lies_beside(tmp_path: Path) -> None:
    for path in SPEECH_MODEL.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = resolved(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    assert resolved(tmp_path).identity == before.identity
    (tmp_path / "config.json").write_text("{}")
    assert resolved(tmp_path).identity != before.identity
    assert "notes.txt" not in {file.name for file in before.files}


def test_a_file_that_is_written_to_while_it_is_read_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    path.write_bytes(b"first")
    stream = resolved(path).files[0].open(0, None)
    assert stream.read(100) == b"first"
    path.write_bytes(b"other")
    os.utime(path, ns=(1, 1))
    with pytest.raises(LoaderError) as raised:
        stream.read(100)
    stream.close()
    assert raised.value.reason is Reason.SOURCE_CHANGED


def test_what_is_neither_a_file_nor_a_directory_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LoaderError) as raised:
        resolved(tmp_path / "pipe")
    assert raised.value.reason is Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("path", ["absent", "file/below"])
def test_a_path_that_leads_nowhere_is_not_found(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LoaderError) as raised:
        resolved(tmp_path / path)
    assert raised.value.reason is Reason.SOURCE_NOT_FOUND
