"""The layers of an image: what lies on what, what was removed, and what may not be there."""

import io
import tarfile
from pathlib import Path

import pytest

from tests.support.tars import archive, member
from whisper_contract.reasons import Reason
from whisper_loader.archive import layers as layers_module
from whisper_loader.archive.layers import ImageFolder
from whisper_loader.archive.untar import Limits
from whisper_loader.errors import LoaderError

FOLDER = "models/whisper"


def folder(name: str) -> bytes:
    return member(name, kind=tarfile.DIRTYPE)


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> bytes:
    return member(name, kind=kind, linkname=target)


def apply(target: Path, *layers: list[bytes], path: str = FOLDER, limits: Limits | None = None) -> dict[str, bytes]:
    """Apply `layers`, written from the lowest up as an image has them; return the folder's files."""
    image = ImageFolder(path, target, limits or Limits())
    for layer in reversed(layers):
        image.apply(io.BytesIO(archive(*layer)))
    files = image.finish()
    there = {str(file.relative_to(target)): file.read_bytes() for file in target.rglob("*") if file.is_file()}
    assert {path: file.size for path, file in files.items()} == {path: len(content) for path, content in there.items()}
    return there


def refused(target: Path, *layers: list[bytes], path: str = FOLDER) -> LoaderError:
    with pytest.raises(LoaderError) as raised:
        apply(target, *layers, path=path)
    return raised.value


A, B = member(f"{FOLDER}/a", b"low a"), member(f"{FOLDER}/b", b"low b")
UPPER_A = member(f"{FOLDER}/a", b"upper a")

VISIBLE: dict[str, tuple[list[list[bytes]], dict[str, bytes]]] = {
    "one layer": ([[A, B]], {"a": b"low a", "b": b"low b"}),
    "files of several layers": ([[A], [B]], {"a": b"low a", "b": b"low b"}),
    "an upper file lies on a lower one": ([[A, B], [UPPER_A]], {"a": b"upper a", "b": b"low b"}),
    "a removed file is gone": ([[A, B], [member(f"{FOLDER}/.wh.a")]], {"b": b"low b"}),
    "a removed folder is gone": ([[A, B], [member("models/.wh.whisper")], [UPPER_A]], {"a": b"upper a"}),
    "a folder above is removed": ([[A, B], [member(".wh.models")], [UPPER_A]], {"a": b"upper a"}),
    "a removal hides nothing of its own layer": (
        [[A, B], [member(f"{FOLDER}/.wh.a"), UPPER_A]],
        {"a": b"upper a", "b": b"low b"},
    ),
    "wherever in the layer it stands": (
        [[A, B], [UPPER_A, member(f"{FOLDER}/.wh.a")]],
        {"a": b"upper a", "b": b"low b"},
    ),
    "a removal hides nothing above it": ([[A], [member(f"{FOLDER}/.wh.a")], [UPPER_A]], {"a": b"upper a"}),
    "an emptied folder": ([[A, B], [UPPER_A, member(f"{FOLDER}/.wh..wh..opq")]], {"a": b"upper a"}),
    "an emptied folder above": ([[A, B], [member("models/.wh..wh..opq"), folder(FOLDER), UPPER_A]], {"a": b"upper a"}),
    "the emptied root": ([[A, B], [member(".wh..wh..opq"), UPPER_A]], {"a": b"upper a"}),
    "a removed link": (
        [[link(f"{FOLDER}/a", "/etc/passwd"), B], [member(f"{FOLDER}/.wh.a")]],
        {"b": b"low b"},
    ),
    "a file on a link": ([[link(f"{FOLDER}/a", "/etc/passwd")], [UPPER_A]], {"a": b"upper a"}),
    "a folder on a link": ([[link("models", "/data")], [folder("models"), A]], {"a": b"low a"}),
    "a file on a folder": (
        [[member(f"{FOLDER}/a/inner", b"x")], [UPPER_A]],
        {"a": b"upper a"},
    ),
    "names with a dot before them": ([[member(f"./{FOLDER}/a", b"low a")]], {"a": b"low a"}),
    "the rest of the image may be anything": (
        [[link("bin", "usr/bin"), link("models/latest", "whisper"), member("dev/x", kind=tarfile.CHRTYPE), A]],
        {"a": b"low a"},
    ),
    "a name that only begins alike": ([[A, member("models/whisper-large/a", b"x")]], {"a": b"low a"}),
    "aufs' own books": ([[A, member(f"{FOLDER}/.wh..wh.aufs"), member(f"{FOLDER}/.wh..wh.plnk")]], {"a": b"low a"}),
    "an empty layer": ([[A], []], {"a": b"low a"}),
    "old programs' sizes of links": ([[member("etc/x", kind=tarfile.LNKTYPE, size=99), A]], {"a": b"low a"}),
    "a path with many members before it": ([[*(member(f"usr/{i}") for i in range(1500)), A]], {"a": b"low a"}),
}


@pytest.mark.parametrize("case", VISIBLE)
def test_what_is_visible_is_written(case: str, tmp_path: Path) -> None:
    layers, expected = VISIBLE[case]
    assert apply(tmp_path, *layers) == expected


def test_the_root_of_an_image_is_a_dot(tmp_path: Path) -> None:
    assert apply(tmp_path, [member("a", b"1")], [member("b", b"2")], path=".") == {"a": b"1", "b": b"2"}


REFUSED: dict[str, tuple[list[list[bytes]], Reason, str]] = {
    "a link as a file": (
        [[link(f"{FOLDER}/model.bin", "../blobs/1")]],
        Reason.UNSAFE_ARCHIVE,
        "'models/whisper/model.bin' is a symbolic link: COPY the file itself",
    ),
    "a hard link as a file": (
        [[link(f"{FOLDER}/model.bin", "etc/passwd", tarfile.LNKTYPE)]],
        Reason.UNSAFE_ARCHIVE,
        "'models/whisper/model.bin' is a hard link",
    ),
    "a link on the way": (
        [[link("models", "/data")], [A]],
        Reason.UNSAFE_ARCHIVE,
        "'models' is a symbolic link on the way to the model: name the folder that it leads to",
    ),
    "a link in place of the folder": ([[link(FOLDER, "v2")]], Reason.UNSAFE_ARCHIVE, "is a symbolic link on the way"),
    "a file in place of the folder": ([[member(FOLDER, b"x")]], Reason.UNSUPPORTED_FORMAT, "is a file in the image"),
    "a device": ([[member(f"{FOLDER}/a", kind=tarfile.CHRTYPE)]], Reason.UNSAFE_ARCHIVE, "is a device"),
    "a climbing name": ([[member("models/../models/whisper/a", b"x")]], Reason.UNSAFE_ARCHIVE, "climbs"),
    "a file twice in a layer": ([[A, A]], Reason.UNSAFE_ARCHIVE, "is there twice"),
    "a removal of nothing": ([[member(f"{FOLDER}/.wh.")]], Reason.UNSAFE_ARCHIVE, "marks nothing as removed"),
    "a removal of the parent": ([[member(f"{FOLDER}/.wh...")]], Reason.UNSAFE_ARCHIVE, "marks nothing as removed"),
    "a control character": ([[member(f"{FOLDER}/a\nb", b"x")]], Reason.UNSAFE_ARCHIVE, "control character"),
    "nothing below the path": ([[member("models/other", b"x")]], Reason.SOURCE_NOT_FOUND, "below /models/whisper"),
    "all removed": ([[A], [member("models/.wh.whisper")]], Reason.SOURCE_NOT_FOUND, "no files below"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_is_named(case: str, tmp_path: Path) -> None:
    layers, reason, sentence = REFUSED[case]
    error = refused(tmp_path, *layers)
    assert error.reason is reason
    assert sentence in error.message


def test_a_link_between_layers_leads_no_write_astray(tmp_path: Path) -> None:
    outside, target = tmp_path / "outside", tmp_path / "target"
    outside.mkdir()
    target.mkdir()
    error = refused(target, [member(f"{FOLDER}/sub/a", b"x")], [link(f"{FOLDER}/sub", str(outside))])
    assert error.reason is Reason.UNSAFE_ARCHIVE
    assert not list(outside.iterdir())


def test_too_many_members_below_the_path_are_too_many(tmp_path: Path) -> None:
    with pytest.raises(LoaderError, match="too many below the path"):
        apply(tmp_path, [A, B], limits=Limits(members=1))


def test_an_image_that_removes_without_end_takes_no_memory_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers_module, "MAX_REMEMBERED", 10)
    removals = [member(f"{FOLDER}/.wh.{number}") for number in range(10)]
    assert apply(tmp_path, [A], removals[:5], removals[5:9]) == {"a": b"low a"}
    error = refused(tmp_path, [A, B], removals[:5], removals[5:], [member(f"{FOLDER}/.wh..wh..opq")])
    assert (error.reason, "comes after more than 10 that" in error.message) == (Reason.UNSAFE_ARCHIVE, True)


def test_a_layer_with_endless_members_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers_module, "MAX_LAYER_MEMBERS", 10)
    with pytest.raises(LoaderError, match="more than 10 members"):
        apply(tmp_path, [member(f"usr/{i}") for i in range(20)])


def test_a_layer_that_is_cut_short_is_damaged(tmp_path: Path) -> None:
    image = ImageFolder(FOLDER, tmp_path)
    with pytest.raises(LoaderError) as raised:
        image.apply(io.BytesIO(A[:600]))
    assert raised.value.reason is Reason.CHECKSUM_MISMATCH
