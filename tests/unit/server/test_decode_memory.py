"""A small request cannot make the decoder take much memory, whatever it claims to hold."""

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import pytest

from tests.support.models import RECORDINGS
from tests.unit.server.audio_files import encode

pytestmark = pytest.mark.slow

# Decodes its standard input in a process of its own, and prints its peak in MiB. Not by getrusage: its peak begins with
# that of the process that forked this one.
PROGRAM = """
import asyncio, contextlib, pathlib, sys
from whisper_server.audio.formats import AudioHint
from whisper_server.audio.limits import DecodeLimits
from whisper_server.audio.stream import decoded, whole
from whisper_server.errors import InvalidRequestError
async def decode():
    with contextlib.suppress(InvalidRequestError):
        async for _ in decoded(AudioHint(), whole(sys.stdin.buffer.read()), DecodeLimits(3600)):
            pass
asyncio.run(decode())
status = pathlib.Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""
# Sends an hour of samples, or as many of one file after another, and prints the same.
STREAM = """
import asyncio, pathlib, sys
from whisper_server.audio.formats import AudioHint, Encoding
from whisper_server.audio.limits import DecodeLimits
from whisper_server.audio.stream import decoded
async def decode():
    part = sys.stdin.buffer.read()
    async def chunks():
        for _ in range(int(sys.argv[2])):
            yield part
    hint = AudioHint(Encoding(sys.argv[1]), 16_000)
    print(sum([len(block) async for block in decoded(hint, chunks(), DecodeLimits(86_400))]) // 16_000)
asyncio.run(decode())
status = pathlib.Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""
#: Python, numpy and FFmpeg are some 60 MiB; these files took 300 to more than a thousand of a decoder without limits.
ENOUGH_MIB = 250
#: With faster-whisper, which brings the network of voice activity.
STREAM_MIB = 250


def black_square(pixels: int) -> bytes:
    """Return a PNG that is small as a file and large as a picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    compressor = zlib.compressobj(1)
    row = bytes(1 + pixels * 4)
    data = b"".join(compressor.compress(row) for _ in range(pixels)) + compressor.flush()
    header = struct.pack(">IIBBBBB", pixels, pixels, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def flac_with_a_huge_cover() -> bytes:
    """Return a FLAC file with a picture for which the most memory that FFmpeg may take at a time would do."""
    return _flac_with_a_cover(pixels=8_000)


def flac_with_a_cover_beyond_all_bounds() -> bytes:
    """Return one whose picture would need more."""
    return _flac_with_a_cover(pixels=10_000)


def _flac_with_a_cover(pixels: int) -> bytes:
    """Return a FLAC file whose picture block (https://www.rfc-editor.org/rfc/rfc9639#section-8.8) stands before all."""
    plain, picture, kind = (RECORDINGS / "en-00.flac").read_bytes(), black_square(pixels), b"image/png"
    block = struct.pack(">II", 3, len(kind)) + kind + struct.pack(">IIIII", 0, pixels, pixels, 32, 0)
    block += struct.pack(">I", len(picture)) + picture
    end_of_stream_info = 4 + 4 + 34
    picture_block = b"\x06" + len(block).to_bytes(3) + block
    return plain[:end_of_stream_info] + picture_block + plain[end_of_stream_info:]


def mp4_with_an_endless_index() -> bytes:
    """Return an MP4 file that says to hold 40 million samples of a byte each, in one chunk."""
    data, claimed = bytearray(encode("mp4", "aac")), 40_000_000
    sizes, chunks = data.find(b"stsz"), data.find(b"stsc")
    data[sizes + 8 : sizes + 16] = struct.pack(">II", 1, claimed)
    data[chunks + 16 : chunks + 20] = struct.pack(">I", claimed)
    return bytes(data)


@pytest.mark.parametrize(
    "make", [flac_with_a_huge_cover, flac_with_a_cover_beyond_all_bounds, mp4_with_an_endless_index]
)
def test_a_small_hostile_file_takes_little_memory(make: Callable[[], bytes]) -> None:
    data = make()
    assert len(data) < 2_000_000
    done = subprocess.run([sys.executable, "-c", PROGRAM], input=data, capture_output=True, check=True, timeout=240)
    assert int(done.stdout) < ENOUGH_MIB


@pytest.mark.parametrize(
    ("part", "encoding", "times", "seconds"),
    [(bytes(1024**2), "LINEAR_PCM", 110, 3_604), (encode("adts", "aac"), "any container", 300, 633)],
    ids=["samples", "frames"],
)
def test_a_long_stream_takes_no_more_memory_than_a_short_one(
    part: bytes, encoding: str, times: int, seconds: int
) -> None:
    command = [sys.executable, "-c", STREAM, encoding, str(times)]
    done = subprocess.run(command, input=part, capture_output=True, check=True, timeout=240)
    heard, peak_mib = map(int, done.stdout.split())
    assert heard == seconds
    assert peak_mib < STREAM_MIB
