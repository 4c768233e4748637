"""When images are built anew, and which archives are kept."""

import os
from pathlib import Path

import pytest

from tests.cluster import images


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one file of the loader, and a Dockerfile."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "server" / "whisper_loader").mkdir(parents=True)
    (tmp_path / "server" / "whisper_loader" / "cli.py").write_text("print('hello')\n")
    monkeypatch.setattr(images, "ROOT", tmp_path)
    return tmp_path


def key() -> str:
    return images.key_of("images/Dockerfile", "server")


def test_the_same_files_need_no_new_images(checkout: Path) -> None:
    before = key()
    os.utime(checkout / "images" / "Dockerfile", (0, 0))
    (checkout / "server" / "whisper_loader" / "__pycache__").mkdir()
    (checkout / "server" / "whisper_loader" / "__pycache__" / "cli.pyc").write_bytes(b"compiled")
    (checkout / "elsewhere").write_text("no part of an image\n")
    assert key() == before


@pytest.mark.parametrize("changed", ["images/Dockerfile", "server/whisper_loader/cli.py", "server/new.py"])
def test_a_change_needs_new_images(checkout: Path, changed: str) -> None:
    before = key()
    (checkout / changed).write_text("# changed\n")
    assert key() != before


def test_a_new_name_for_a_file_needs_new_images(checkout: Path) -> None:
    before = key()
    (checkout / "server" / "whisper_loader").rename(checkout / "server" / "whisper_puller")
    assert key() != before


def test_of_old_archives_those_used_last_are_kept(tmp_path: Path) -> None:
    for age, name in enumerate(["loader-new.tar", "loader-old.tar", "loader-older.tar", "server-older.tar"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    images.forget_old(tmp_path, "loader-*.tar", keep=2)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["loader-new.tar", "loader-old.tar", "server-older.tar"]
