"""Whatever is sent, what comes back is samples or one sentence that says what is wrong; and nothing is left behind."""

import asyncio
import threading
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.server import audio_files
from tests.unit.server.audio_files import LIMITS, UNKNOWN, encode, samples_of
from tests.unit.server.hostile_audio import HOSTILE
from tests.unit.server.waiting import until
from whisper_server.audio.formats import AudioHint, Encoding
from whisper_server.audio.stream import decoded
from whisper_server.audio.wav import WavHeader
from whisper_server.errors import InvalidRequestError

pytestmark = pytest.mark.slow

FILES = {
    "wav": encode("wav", "pcm_s16le"),
    "wav of floats": encode("wav", "pcm_f32le"),
    "wav of frames": encode("wav", "adpcm_ms", 22_050),
    "flac": encode("flac", "flac"),
    "opus": encode("ogg", "libopus", 48_000),
    "mp3": encode("mp3", "libmp3lame", 44_100),
    "mp4": encode("mp4", "aac"),
    "mov": encode("mov", "pcm_s16le"),
    "alac": encode("mp4", "alac"),
    "video": audio_files.video_with_sound(),
    "webm": encode("webm", "libopus", 48_000),
    "matroska": encode("matroska", "aac"),
    "adts": encode("adts", "aac"),
    "amr": encode("amr", "libopencore_amrnb", 8_000),
    "aiff": encode("aiff", "pcm_s16be", 22_050),
    "caf": encode("caf", "pcm_s16le"),
    "au": encode("au", "pcm_s16be"),
}
#: Where containers keep what else they believe: sizes, counts and types.
HEADER_BYTES = 600
NUMBERS = st.sampled_from(
    [b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x01", b"\x01\0\0\0"]
)
DAMAGE = st.tuples(
    st.integers(0, HEADER_BYTES) | st.integers(0, 130_000), st.integers(0, 300), NUMBERS | st.binary(max_size=64)
)


def damaged(data: bytes, damages: list[tuple[int, int, bytes]]) -> bytes:
    """Return `data` with stretches of it replaced: nothing by something is inserted, something by nothing cut out."""
    for at, length, replacement in damages:
        at %= len(data) + 1  # noqa: PLW2901 - any place will do
        data = data[:at] + replacement + data[at + length :]
    return data


def decode_or_refuse(data: bytes, cuts: list[int], hint: AudioHint) -> None:
    borders = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    try:
        samples = samples_of([data[start:end] for start, end in pairwise(borders)], hint)
    except InvalidRequestError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
    else:
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() <= 1


@given(
    st.sampled_from(sorted(FILES)),
    st.lists(DAMAGE, min_size=1, max_size=6),
    st.lists(st.integers(0, 130_000), max_size=3),
)
@settings(max_examples=150, deadline=10_000)
def test_a_damaged_file_is_heard_or_refused(name: str, damages: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    decode_or_refuse(damaged(FILES[name], damages), cuts, UNKNOWN)


@given(st.binary(max_size=300), st.sampled_from(Encoding), st.integers(-1, 400_000), st.integers(-1, 40))
@settings(max_examples=100, deadline=10_000)
def test_any_bytes_under_any_label_are_heard_or_refused(
    data: bytes, encoding: Encoding, rate: int, channels: int
) -> None:
    decode_or_refuse(data, [len(data) // 3], AudioHint(encoding, rate, channels))


@given(st.lists(st.tuples(st.sampled_from([b"fmt ", b"LIST", b"ds64", b"data"]), st.integers(0, 70), st.binary())))
@settings(max_examples=100, deadline=None)
def test_any_header_of_a_wav_file_is_understood_or_refused(chunks: list[tuple[bytes, int, bytes]]) -> None:
    body = b"".join(name + size.to_bytes(4, "little") + content for name, size, content in chunks)
    decode_or_refuse(b"RIFF\0\0\0\0WAVE" + body, [13, 30], UNKNOWN)


def test_a_wav_header_that_never_ends_is_read_no_further_than_a_mebibyte() -> None:
    header, notes = WavHeader(), b"LIST" + (0).to_bytes(4, "little")
    header.push(b"RIFF\0\0\0\0WAVE")
    pushed = 0
    while header.push(notes * 8_192) is None:
        pushed += 1
    assert pushed < 16


async def test_hostile_uploads_leave_no_thread_and_no_file() -> None:
    async def sent(data: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(data), 10_000):
            yield data[start : start + 10_000]

    async def refused(data: bytes, hint: AudioHint) -> None:
        with pytest.raises(InvalidRequestError):
            async for _ in decoded(hint, sent(data), LIMITS):
                pass

    def open_files() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    cases = list(HOSTILE.values())
    files, threads = open_files(), threading.active_count()
    for number in range(0, 200, 20):
        some = (cases[(number + more) % len(cases)] for more in range(20))
        await asyncio.gather(*(refused(data, AudioHint(encoding, rate)) for data, encoding, rate, _ in some))
    # What the event loop keeps for `to_thread` stays.
    await until(lambda: open_files() <= files and not any(t.name.startswith("audio") for t in threading.enumerate()))
    assert threading.active_count() <= threads + 8
