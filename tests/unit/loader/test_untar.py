"""The untar writes plain files below its folder, and nothing else, whatever an archive says."""

import io
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tars import END, archive, member, pax_member, plain
from whisper_contract.reasons import Reason
from whisper_loader.archive.tar import MAX_EXTENDED_HEADER
from whisper_loader.archive.untar import Limits, untar
from whisper_loader.errors import LoaderError
from whisper_loader.store.journal import Journal

GOOD = member("model.bin", b"weights")


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return every path below `folder`, with the content of files and None for folders."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}


def refused(content: bytes, target: Path, limits: Limits | None = None) -> LoaderError:
    with pytest.raises(LoaderError) as raised:
        untar(io.BytesIO(content), target, Journal.none(), limits or Limits())
    return raised.value


HOSTILE = {
    "symbolic link": (
        member("model.bin", kind=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "'model.bin' is a symbolic link",
    ),
    "hard link": (member("model.bin", kind=tarfile.LNKTYPE, linkname="../../x"), "'model.bin' is a hard link"),
    "character device": (member("null", kind=tarfile.CHRTYPE), "'null' is a device"),
    "block device": (member("disk", kind=tarfile.BLKTYPE), "'disk' is a device"),
    "named pipe": (member("pipe", kind=tarfile.FIFOTYPE), "'pipe' is a named pipe"),
    "GNU sparse file": (member("hole", kind=tarfile.GNUTYPE_SPARSE), "'hole' is a sparse file"),
    "pax sparse file": (pax_member("hole", b"", {"GNU.sparse.size": "99999999999"}), "'hole' is a sparse file"),
    "unknown type": (member("odd", kind=b"V"), "'odd' is of the unknown type b'V'"),
    "absolute path": (member("/etc/cron.d/x", b"x"), "'/etc/cron.d/x' has an absolute path"),
    "absolute path in pax": (pax_member("a", b"x", {"path": "/tmp/x"}), "'/tmp/x' has an absolute path"),
    "climbing path": (member("a/../../x", b"x"), "'a/../../x' climbs out of the archive"),
    "climbing folder": (member("..", kind=tarfile.DIRTYPE), "'..' climbs out of the archive"),
    "climbing in a long name": (
        member("././@LongLink", b"../" * 60 + b"x\0", tarfile.GNUTYPE_LONGNAME) + member("a", b"x"),
        "climbs out of the archive",
    ),
    "file twice": (GOOD + GOOD, "'model.bin' is there twice"),
    "file twice by another spelling": (GOOD + member("./model.bin"), "'./model.bin' is there twice"),
    "file where a folder was": (member("a", kind=tarfile.DIRTYPE) + member("a", b"x"), "'a' is there twice"),
    "folder where a file was": (GOOD + member("model.bin/x", b"x"), "uses the file 'model.bin' as a folder"),
    "line feed": (member("model\n.bin"), r"'model\n.bin' has a control character"),
    "escape sequence": (member("\x1b[2J"), r"'\x1b[2J' has a control character"),
    "escape sequence of one character": (member("\x9b2J"), r"'\x9b2J' has a control character"),
    "not UTF-8": (member("mod\udcff"), r"'mod\udcff' has a name that is not UTF-8"),
    "file without a name": (member("."), "'.' is a file without a name"),
    "long component": (pax_member("a", b"", {"path": "n" * 256}), "has a path that is too long"),
    "long path": (pax_member("a", b"", {"path": "/".join(["n" * 200] * 6)}), "has a path that is too long"),
    "deep path": (member("/".join("abcdefghijklmnopq")), "has a path that is too long or too deep"),
    "long extended header": (
        member("x", b"x" * (MAX_EXTENDED_HEADER + 1), tarfile.XHDTYPE),
        "an extended header of 65537 bytes is too long",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archive_is_refused_naming_the_member(case: str, tmp_path: Path) -> None:
    members, message = HOSTILE[case]
    target = tmp_path / "target"
    target.mkdir()
    error = refused(archive(members), target)
    assert error.reason is Reason.UNSAFE_ARCHIVE
    assert message in error.message
    assert {path.name for path in tmp_path.iterdir()} == {"target"}, "nothing was written beside the target"


def test_links_come_with_the_way_to_pack_without_them(tmp_path: Path) -> None:
    error = refused(archive(member("model.bin", kind=tarfile.SYMTYPE, linkname="x")), tmp_path)
    assert "tar -h" in error.message


def test_a_link_that_somebody_else_plants_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    target = tmp_path / "target"
    outside.mkdir()
    target.mkdir()
    (target / "a").symlink_to(outside)
    assert refused(archive(member("a/x", b"x")), target).reason is Reason.UNSAFE_ARCHIVE
    assert not list(outside.iterdir())


def test_a_file_that_somebody_else_plants_is_not_written_to(tmp_path: Path) -> None:
    outside, target = tmp_path / "outside", tmp_path / "target"
    outside.write_bytes(b"theirs")
    target.mkdir()
    for plant in (Path.symlink_to, Path.hardlink_to):
        plant(target / "model.bin", outside)
        assert refused(archive(GOOD), target).reason is Reason.UNSAFE_ARCHIVE
        (target / "model.bin").unlink()
    assert outside.read_bytes() == b"theirs"


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    members = [member(f"file-{index}") for index in range(11)]
    assert "more than 10 members" in refused(archive(*members), tmp_path, Limits(members=10)).message


def test_exactly_as_many_members_as_allowed_are_taken(tmp_path: Path) -> None:
    untar(
        io.BytesIO(archive(*[member(f"file-{index}") for index in range(10)])),
        tmp_path,
        Journal.none(),
        Limits(members=10),
    )
    assert len(tree(tmp_path)) == 10


def test_more_content_than_the_limit_is_refused_before_it_is_written(tmp_path: Path) -> None:
    content = archive(member("a", b"x" * 600), member("b", b"x" * 600))
    error = refused(content, tmp_path, Limits(content_bytes=1000))
    assert (error.reason, "'b' brings the content above the limit" in error.message) == (Reason.UNSAFE_ARCHIVE, True)
    assert set(tree(tmp_path)) == {"a"}


def test_a_size_without_content_behind_it_fills_no_disk(tmp_path: Path) -> None:
    header = tarfile.TarInfo("model.bin")
    header.size = 1 << 40
    error = refused(header.tobuf(tarfile.GNU_FORMAT), tmp_path)
    assert error.reason is Reason.UNSAFE_ARCHIVE


def test_an_endless_tail_is_refused(tmp_path: Path) -> None:
    content = archive(GOOD) + bytes(10_000)
    assert "endlessly" in refused(content, tmp_path, Limits(content_bytes=5_000)).message


@pytest.mark.parametrize("cut", [1, 100, 511, 512, 600, 1023])
def test_an_archive_cut_short_is_damaged(cut: int, tmp_path: Path) -> None:
    error = refused(archive(member("model.bin", b"w" * 300))[:cut], tmp_path)
    assert (error.reason, "damaged" in error.message) == (Reason.CHECKSUM_MISMATCH, True)


def test_an_archive_without_its_end_mark_is_damaged(tmp_path: Path) -> None:
    assert refused(GOOD, tmp_path).reason is Reason.CHECKSUM_MISMATCH


def test_a_broken_header_is_damage(tmp_path: Path) -> None:
    broken = bytearray(archive(GOOD, member("config.json", b"{}")))
    broken[1024 + 3] ^= 1
    assert refused(bytes(broken), tmp_path).reason is Reason.CHECKSUM_MISMATCH


@pytest.mark.parametrize(
    "records", [b"9 path=x", b"99999 path=x\n", b"x path=x\n", b"7 path\n", b"21 size=99999x99999\n"]
)
def test_broken_pax_records_are_damage(records: bytes, tmp_path: Path) -> None:
    content = archive(member("x", records, tarfile.XHDTYPE), member("a", b"x"))
    assert refused(content, tmp_path).reason is Reason.CHECKSUM_MISMATCH


def test_long_names_of_both_dialects_are_understood(tmp_path: Path) -> None:
    name = "folder-" + "n" * 120 + "/" + "f" * 120
    gnu = member("././@LongLink", name.encode() + b"\0", tarfile.GNUTYPE_LONGNAME) + member("cut", b"gnu")
    pax = pax_member("cut", b"pax", {"path": name + "x", "mtime": "1.5", "comment": "ünï"})
    untar(io.BytesIO(archive(gnu, pax)), tmp_path, Journal.none())
    assert {path: content for path, content in tree(tmp_path).items() if content} == {name: b"gnu", name + "x": b"pax"}


def test_a_global_header_as_git_archive_writes_it_is_passed_over(tmp_path: Path) -> None:
    comment = member("pax_global_header", b"52 comment=0123456789012345678901234567890123456789\n", tarfile.XGLTYPE)
    untar(io.BytesIO(archive(comment, GOOD)), tmp_path, Journal.none())
    assert tree(tmp_path) == {"model.bin": b"weights"}


def test_files_and_folders_get_their_usual_modes_whatever_the_archive_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        untar(io.BytesIO(archive(member("a/x", b"x", mode=0o6777))), tmp_path, Journal.none())
    finally:
        os.umask(before)
    assert (tmp_path / "a/x").stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o755


names = st.lists(st.text("ab.é", min_size=1, max_size=4), min_size=1, max_size=3).map("/".join)
files = st.dictionaries(names, st.binary(max_size=1500), max_size=5)


@given(files)
def test_either_all_files_come_out_as_they_went_in_or_the_archive_is_refused(contents: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "target")
        target.mkdir()
        try:
            untar(io.BytesIO(plain(list(contents.items()))), target, Journal.none())
        except LoaderError as error:
            assert error.reason is Reason.UNSAFE_ARCHIVE  # noqa: PT017  (success is right, too)
        else:
            expected = {os.path.normpath(name): content for name, content in contents.items()}
            assert {path: content for path, content in tree(target).items() if content is not None} == expected
        assert [path.name for path in Path(folder).iterdir()] == ["target"]


@given(st.binary(max_size=4096), st.integers(0, 3000))
def test_no_bytes_whatever_write_outside_or_crash(noise: bytes, at: int) -> None:
    good = archive(GOOD, member("folder/config.json", b"{}" * 200))
    content = good[:at] + noise + good[at + len(noise) :]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "target")
        target.mkdir()
        try:
            untar(io.BytesIO(content + END), target, Journal.none(), Limits(members=50, content_bytes=1 << 20))
        except LoaderError as error:
            assert error.reason in (Reason.UNSAFE_ARCHIVE, Reason.CHECKSUM_MISMATCH)  # noqa: PT017  (success is right, too)
        assert [path.name for path in Path(folder).iterdir()] == ["target"]
        assert not any(path.is_symlink() for path in target.rglob("*"))
