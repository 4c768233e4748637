"""Archives of every kind come out as they went in; damaged ones and other things are told apart."""

import gzip
import hashlib
import io
import struct
from pathlib import Path

import pytest
from backports import zstd

from tests.support.loader import whisper_model
from tests.support.models import SPEECH_MODEL
from tests.support.tars import compressed, plain
from whisper_contract.reasons import Reason
from whisper_loader.archive import frames
from whisper_loader.archive.frames import FrameReader, GzipDecoder
from whisper_loader.archive.reader import SourceReader
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.fetch import Fetch
from whisper_loader.progress import LineDisplay, Meter
from whisper_loader.source import Resolved, SourceFile
from whisper_loader.transfer.parts import PartsReader

SUFFIXES = (".tar", ".tar.gz", ".tar.zst")
# Random-looking, so that no byte of the archive is redundant.
CONTENT = b"".join(hashlib.sha256(bytes([index % 256, index // 256])).digest() for index in range(3000))
FILES = [("model.bin", CONTENT), ("config.json", b"{}")]


def meter() -> Meter:
    return Meter(LineDisplay("pull", io.StringIO()), Deadline())


def pull(content: bytes, target: Path, sha256: str | None = None) -> str | None:
    file = SourceFile("model.archive", len(content), lambda start, stop: io.BytesIO(content[start:stop]))
    return (
        Fetch(target, None, meter(), Deadline()).run(Resolved("test", (file,), is_archive=True), sha256).archive_sha256
    )


def reason_of(content: bytes, target: Path, sha256: str | None = None) -> tuple[Reason, str]:
    with pytest.raises(LoaderError) as raised:
        pull(content, target, sha256)
    return raised.value.reason, raised.value.message


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_content_and_sha256_are_right_for_every_compression(suffix: str, tmp_path: Path) -> None:
    content = compressed(plain(FILES), suffix)
    assert pull(content, tmp_path) == hashlib.sha256(content).hexdigest()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == dict(FILES)


@pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
def test_several_frames_one_after_the_other_are_one_archive(compress: object, tmp_path: Path) -> None:
    assert callable(compress)
    tar = plain(FILES)
    pull(compress(tar[:5000]) + compress(tar[5000:]), tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_an_archive_of_tiny_frames_is_not_copied_once_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder copies what it got from behind its frame, which must not be a whole chunk for each of them."""
    monkeypatch.setattr(frames, "FIRST_PIECE_BYTES", 100)
    given_back = []

    class Decoder(GzipDecoder):
        def decompress(self, data: bytes, max_length: int) -> bytes:
            decompressed = super().decompress(data, max_length)
            given_back.append(len(self.unused_data))
            return decompressed

    content = gzip.compress(b"x") * 1000
    file = SourceFile("x", len(content), lambda start, stop: io.BytesIO(content[start:stop]))
    decoded = FrameReader(SourceReader(PartsReader(file, Deadline()), meter()), Decoder)
    assert b"".join(iter(lambda: decoded.read(1000), b"")) == b"x" * 1000
    assert max(given_back) < 100


@pytest.mark.parametrize("padding", [1, 1000, (3 << 20) + 7])
def test_a_gzip_file_padded_as_tapes_are_is_whole(padding: int, tmp_path: Path) -> None:
    tar = plain(FILES)
    pull(gzip.compress(tar[:5000]) + bytes(padding) + gzip.compress(tar[5000:]) + bytes(padding), tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [4, 3 << 20])
def test_what_zstd_says_to_skip_is_skipped_wherever_it_stands(size: int, tmp_path: Path) -> None:
    """As pzstd, and the seekable form of zstd, write it."""
    skipped = struct.pack("<II", 0x184D2A50, size) + bytes(size)
    tar = plain(FILES)
    pull(skipped + zstd.compress(tar[:5000]) + skipped + zstd.compress(tar[5000:]) + skipped, tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("window_log", [27, 28, 31])
def test_a_window_that_takes_too_much_memory_is_not_called_damage(window_log: int, tmp_path: Path) -> None:
    """What `zstd --long=31` makes."""
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: window_log})
    content = compressor.compress(plain(FILES)) + compressor.flush()
    if window_log == 27:
        pull(content, tmp_path)
        return
    reason, message = reason_of(content, tmp_path)
    assert reason is Reason.UNSUPPORTED_FORMAT
    assert f"window of {1 << (window_log - 20)} MiB" in message
    assert "--long=27" in message


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])
def test_what_follows_the_archive_and_is_none_is_damage(suffix: str, tmp_path: Path) -> None:
    assert reason_of(compressed(plain(FILES), suffix) + b"more", tmp_path)[0] is Reason.CHECKSUM_MISMATCH


def test_a_tar_made_for_gnu_tars_record_size_is_read_to_its_end(tmp_path: Path) -> None:
    content = plain(FILES) + bytes(10_240)
    assert pull(content, tmp_path) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_promised_sha256_is_enforced(suffix: str, tmp_path: Path) -> None:
    content = compressed(plain(FILES), suffix)
    right = hashlib.sha256(content).hexdigest()
    pull(content, tmp_path, right)
    other = tmp_path / "other"
    other.mkdir()
    reason, message = reason_of(content, other, "0" * 64)
    assert reason is Reason.CHECKSUM_MISMATCH
    assert right in message
    assert "0" * 64 in message


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])
@pytest.mark.parametrize("position", [0.05, 0.3, 0.6, 0.9, 0.9999])
def test_a_flipped_bit_anywhere_is_noticed_by_the_archives_own_checks(
    suffix: str, position: float, tmp_path: Path
) -> None:
    content = bytearray(compressed(plain(FILES), suffix))
    content[int(len(content) * position)] ^= 0x10
    reason, message = reason_of(bytes(content), tmp_path)
    assert reason is Reason.CHECKSUM_MISMATCH
    assert "damaged" in message


@pytest.mark.parametrize(
    ("suffix", "missing"),
    # A plain tar has no checksum: what its end mark and padding lose is no loss.
    [
        (".tar", 12_000),
        (".tar", 50_000),
        *((suffix, lost) for suffix in SUFFIXES[1:] for lost in (1, 4, 9, 1500, 50_000)),
    ],
)
def test_an_archive_cut_short_is_noticed_even_when_all_its_files_are_there(
    suffix: str, missing: int, tmp_path: Path
) -> None:
    content = compressed(plain([("model.bin", CONTENT)]), suffix)
    assert reason_of(content[:-missing], tmp_path)[0] is Reason.CHECKSUM_MISMATCH


def test_damage_under_a_promised_sha256_is_told_by_the_sha256(tmp_path: Path) -> None:
    content = bytearray(compressed(plain(FILES), ".tar.zst"))
    right = hashlib.sha256(content).hexdigest()
    content[len(content) // 2] ^= 1
    reason, message = reason_of(bytes(content), tmp_path, right)
    assert reason is Reason.CHECKSUM_MISMATCH
    assert hashlib.sha256(content).hexdigest() in message, "all bytes were read, so that both sums can be compared"


def test_another_file_than_the_promised_one_is_a_mismatch_and_not_an_odd_format(tmp_path: Path) -> None:
    assert reason_of(b"<html>Sign in</html>", tmp_path, "0" * 64)[0] is Reason.CHECKSUM_MISMATCH


OTHER_THINGS = {
    "zip": (b"PK\x03\x04" + bytes(600), "a zip archive"),
    "bzip2": (b"BZh91AY" + bytes(600), "a bzip2 file"),
    "xz": (b"\xfd7zXZ\x00" + bytes(600), "an xz file"),
    "html": (b"\n<!DOCTYPE html><title>Sign in", "a web page"),
    "error in xml": (b"<?xml version='1.0'?><Error/>", "an XML document"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer (run git lfs pull"),
    "pickle": (b"\x80\x02}q\x00" + bytes(600), "a pickle"),
    "gguf": (b"GGUF\x03" + bytes(600), "a GGUF model"),
    "empty": (b"", "nothing (0 bytes)"),
    "noise": (b"\x01\x02\x03\x04" * 200, "something that starts with 01 02 03 04"),
    "gzipped text": (gzip.compress(b"weights"), "found a gzip file of something that starts with"),
    "zstd of a zip": (zstd.compress(b"PK\x03\x04" + bytes(600)), "found a zstd file of a zip archive"),
}


@pytest.mark.parametrize("case", OTHER_THINGS)
def test_anything_else_is_an_unsupported_format_called_by_its_name(case: str, tmp_path: Path) -> None:
    content, name = OTHER_THINGS[case]
    reason, message = reason_of(content, tmp_path)
    assert reason is Reason.UNSUPPORTED_FORMAT
    assert name in message


def test_a_small_archive_that_swells_without_end_stops_at_the_limit(tmp_path: Path) -> None:
    """100 MB of zeros in 10 KB: the decompressor gives out pieces, so that memory and disk stay small."""
    swelling = compressed(plain([("model.bin", bytes(100 << 20))]), ".tar.zst")
    assert len(swelling) < 20_000
    pull(swelling, tmp_path)
    assert (tmp_path / "model.bin").stat().st_size == 100 << 20


AROUND = {
    "nothing": ("", []),
    "a dot": ("./", []),
    "one folder": ("whisper/", []),
    "one folder behind a dot": ("./whisper/", []),
    "one folder, and what macOS packs along": ("whisper/", ["._whisper", ".DS_Store", "whisper/._config.json"]),
    "nothing, and what macOS packs along": ("", ["._config.json", ".DS_Store"]),
}


@pytest.mark.parametrize("case", AROUND)
def test_one_folder_around_everything_is_taken_off(case: str, store: Path, tmp_path: Path) -> None:
    prefix, beside = AROUND[case]
    files = [(prefix + path.name, path.read_bytes()) for path in SPEECH_MODEL.iterdir()]
    archive = tmp_path / "model.tar"
    archive.write_bytes(plain([(name, b"junk") for name in beside] + files))
    done = whisper_model("pull", archive, "--store", store, "--json")
    assert done.exit_code == 0, done.errors
    assert done.json["format"] == "transformers"


@pytest.mark.parametrize(
    ("names", "found"),
    [(["a/b/model.bin"], "found b/"), (["whisper/model.bin", "README.md"], "found README.md, whisper/")],
)
def test_a_model_that_lies_deeper_is_not_called_an_empty_folder(names: list[str], found: str, tmp_path: Path) -> None:
    archive = tmp_path / "model.tar"
    archive.write_bytes(plain([(name, b"junk") for name in names]))
    done = whisper_model("pull", archive, "--store", tmp_path / "store", "--json")
    assert (done.exit_code, found in done.json["message"]) == (71, True)
