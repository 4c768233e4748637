"""A bit that tips over anywhere in an archive of any format is noticed, or harms nothing that it holds."""

import hashlib
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.tars import compressed, plain
from whisper_contract.reasons import Reason
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.fetch import Fetch
from whisper_loader.progress import LineDisplay, Meter
from whisper_loader.source import Resolved, SourceFile

FILES = {"model.bin": b"".join(hashlib.sha256(bytes([index])).digest() for index in range(120)), "config.json": b"{}"}
ARCHIVES = {suffix: compressed(plain(list(FILES.items())), suffix) for suffix in (".tar", ".tar.gz", ".tar.zst")}
#: What a damaged archive may be taken for: its first bytes tell the format, its headers the members.
TOLD = {Reason.CHECKSUM_MISMATCH, Reason.UNSUPPORTED_FORMAT, Reason.UNSAFE_ARCHIVE}


def flipped(content: bytes, at: float, bit: int) -> bytes:
    changed = bytearray(content)
    changed[int(at * len(content))] ^= 1 << bit
    return bytes(changed)


def pull(content: bytes, target: Path, sha256: str | None) -> dict[str, bytes]:
    """Return the files that come out, by their names."""
    file = SourceFile("archive", len(content), lambda start, stop: io.BytesIO(content[start:stop]))
    meter = Meter(LineDisplay("pull", io.StringIO()), Deadline())
    Fetch(target, None, meter, Deadline()).run(Resolved("test", (file,), is_archive=True), sha256)
    return {path.name: path.read_bytes() for path in target.iterdir()}


places = st.floats(0, 1, exclude_max=True)
bits = st.integers(0, 7)


@pytest.mark.parametrize("suffix", ARCHIVES)
@settings(max_examples=60)
@given(at=places, bit=bits)
@example(at=0.0, bit=0)
@example(at=0.9999, bit=7)
def test_under_a_promised_sha256_every_bit_counts(suffix: str, at: float, bit: int) -> None:
    whole = ARCHIVES[suffix]
    with tempfile.TemporaryDirectory() as folder, pytest.raises(LoaderError) as raised:
        pull(flipped(whole, at, bit), Path(folder), hashlib.sha256(whole).hexdigest())
    assert raised.value.reason in TOLD


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.zst"])
@settings(max_examples=100)
@given(at=places, bit=bits)
def test_without_one_the_archives_own_checks_let_no_other_content_pass(suffix: str, at: float, bit: int) -> None:
    told: Reason | None = None
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = pull(flipped(ARCHIVES[suffix], at, bit), Path(folder), None)
        except LoaderError as error:
            told, found = error.reason, FILES
    # Nobody checks the time and the name in gzip's header.
    assert told is None or told in TOLD
    assert found == FILES
