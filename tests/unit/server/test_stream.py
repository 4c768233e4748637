"""Audio as it comes: what is told at once, what is kept, and what is left behind when nobody listens any more."""

import asyncio
import threading
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.server.audio_files import (
    LIMITS,
    RATE,
    UNKNOWN,
    caf_of_noise,
    encode,
    ogg_opus_of_short_pages,
    samples_of,
    tone,
    wav,
)
from tests.unit.server.waiting import until
from whisper_server.audio.formats import AudioHint, Encoding
from whisper_server.audio.limits import DecodeLimits
from whisper_server.audio.spool import MEMORY_BYTES, Spool
from whisper_server.audio.stream import decoded
from whisper_server.errors import InvalidRequestError, OverloadedError, TooLargeError

LINEAR = AudioHint(Encoding.LINEAR_PCM, RATE)
FORMATS = {
    "wav": ("wav", "pcm_s16le", 16_000),
    "wav of 24 bits": ("wav", "pcm_s24le", 44_100),
    "wav of frames": ("wav", "adpcm_ms", 22_050),
    "flac": ("flac", "flac", 16_000),
    "ogg": ("ogg", "libopus", 48_000),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "webm": ("webm", "libopus", 48_000),
    "adts": ("adts", "aac", 16_000),
    "amr": ("amr", "libopencore_amrnb", 8_000),
    "au": ("au", "pcm_s16be", 16_000),
    "mp4": ("mp4", "aac", 16_000),
    "caf": ("caf", "pcm_s16le", 16_000),
}


class Sent:
    """Chunks that a client sends one by one, as the test likes."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.ended = False

    def send(self, chunk: bytes) -> None:
        self._chunks.put_nowait(chunk)

    def half_close(self) -> None:
        self._chunks.put_nowait(None)

    def fail(self, error: Exception) -> None:
        self._chunks.put_nowait(error)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while (chunk := await self._chunks.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            self.ended = True


def audio_threads() -> int:
    return sum(thread.name.startswith("audio") for thread in threading.enumerate())


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@given(st.sampled_from(sorted(FORMATS)), st.data())
@settings(max_examples=60, deadline=None)
def test_samples_are_the_same_wherever_the_bytes_are_divided(name: str, data: st.DataObject) -> None:
    file = encode(*FORMATS[name])
    cuts = data.draw(st.lists(st.integers(0, len(file)) | st.integers(0, 64), max_size=10), "cuts")
    chunks = [file[start:end] for start, end in pairwise([0, *sorted(cuts), len(file)])]
    np.testing.assert_array_equal(samples_of(chunks), samples_of([file]))


@pytest.mark.parametrize("channels", [1, 2, 3, 9, 32])
@pytest.mark.parametrize("size", [1, 3, 7, 1_001])
def test_headerless_samples_may_be_divided_within_a_sample(channels: int, size: int) -> None:
    data = np.repeat(tone(seconds=0.03), channels).tobytes()
    hint = AudioHint(Encoding.LINEAR_PCM, RATE, channels)
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    samples = samples_of(chunks, hint)
    np.testing.assert_array_equal(samples, samples_of([data], hint))
    np.testing.assert_allclose(samples, tone(seconds=0.03) / 32_768, atol=0.001)


@pytest.mark.parametrize(
    ("hint", "head", "rate"),
    [
        (LINEAR, b"", 16_000),
        (AudioHint(Encoding.MULAW, 8_000), b"", 8_000),
        (AudioHint(Encoding.ALAW, 8_000), b"", 8_000),
        (LINEAR, wav(tone())[:44], 16_000),
        (UNKNOWN, wav(tone())[:44], 16_000),
    ],
    ids=["linear", "mulaw", "alaw", "wav said to be linear", "wav"],
)
async def test_a_chunk_of_a_live_stream_is_heard_before_the_next_one_comes(
    hint: AudioHint, head: bytes, rate: int
) -> None:
    sent = Sent()
    blocks = decoded(hint, sent, LIMITS)
    sent.send(head)
    chunk = bytes(rate // 10) * (1 if hint.encoding in (Encoding.MULAW, Encoding.ALAW) else 2)
    for _ in range(5):
        sent.send(chunk)
        assert len(await asyncio.wait_for(anext(blocks), 240)) == pytest.approx(RATE // 10, abs=40)
    await blocks.aclose()


async def test_ogg_opus_is_heard_a_page_after_it_came() -> None:
    """Two pages of headers, then one for each 20 ms."""
    sent, pages, heard = Sent(), ogg_opus_of_short_pages(), 0
    blocks = decoded(AudioHint(Encoding.OGG_OPUS), sent, LIMITS)
    sent.send(b"".join(pages[:4]))
    for first in range(4, 54, 5):
        sent.send(b"".join(pages[first : first + 5]))
        heard += len(await asyncio.wait_for(anext(blocks), 240))
    assert heard / RATE == pytest.approx(0.02 * (54 - 2), abs=0.1)
    await blocks.aclose()


async def test_blocks_of_a_file_are_large() -> None:
    data = wav(tone(seconds=25))

    async def sent() -> AsyncIterator[bytes]:
        yield data

    assert [len(block) // RATE async for block in decoded(UNKNOWN, sent(), LIMITS)] == [10, 10, 5]


@pytest.mark.parametrize("name", ["wav", "flac", "mp4"])
async def test_what_the_chunks_raise_passes_through(name: str) -> None:
    class HungUpError(Exception):
        """The client went away."""

    sent, error = Sent(), HungUpError()
    file = encode(*FORMATS[name])
    sent.send(file[: len(file) // 2])
    sent.fail(error)
    with pytest.raises(HungUpError) as raised:
        async for _ in decoded(UNKNOWN, sent, LIMITS):
            pass
    assert raised.value is error


@pytest.mark.parametrize("name", ["wav", "flac", "mp4"])
async def test_a_caller_that_goes_away_leaves_no_thread_and_no_file(name: str) -> None:
    sent, files = Sent(), open_files()
    file = encode(*FORMATS[name])
    sent.send(file[: len(file) // 2])

    async def listen() -> None:
        async for _ in decoded(UNKNOWN, sent, LIMITS):
            pass

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.1)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    await until(lambda: audio_threads() == 0 and open_files() == files)
    assert sent.ended


async def test_a_reader_that_stops_is_sent_no_more() -> None:
    """However much there is: the pipe holds a mebibyte, FFmpeg a little."""
    taken, file = 0, encode("flac", "flac", 48_000)

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        yield file
        while True:
            taken += len(file)
            yield file

    blocks = decoded(UNKNOWN, endless(), DecodeLimits(1e9))
    await anext(blocks)
    await asyncio.sleep(0.2)
    assert taken < 4 * 1024**2
    await blocks.aclose()


async def test_an_upload_that_must_be_whole_waits_in_memory_and_beyond_on_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 64 * 1024**2)
    sizes = []

    async def sent(data: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(data), 1024**2):
            yield data[start : start + 1024**2]
            sizes.append(spool.used_bytes)

    small, large = caf_of_noise(MEMORY_BYTES // 2), caf_of_noise(MEMORY_BYTES + 1024**2)
    limits = DecodeLimits(3_600, spool=spool)
    heard = sum([len(block) async for block in decoded(UNKNOWN, sent(small), limits)])
    assert (heard, max(sizes)) == (MEMORY_BYTES // 4, 0)
    heard = sum([len(block) async for block in decoded(UNKNOWN, sent(large), limits)])
    assert (heard, max(sizes)) == ((MEMORY_BYTES + 1024**2) // 2, len(large))
    await until(lambda: spool.used_bytes == 0 and audio_threads() == 0)


async def refusal_of_large_upload(spool: Spool) -> Exception:
    data = caf_of_noise(MEMORY_BYTES + 1024**2)

    async def sent() -> AsyncIterator[bytes]:
        yield data

    with pytest.raises((TooLargeError, OverloadedError)) as caught:
        await anext(decoded(UNKNOWN, sent(), DecodeLimits(3_600, spool=spool)))
    return caught.value


async def test_an_upload_larger_than_all_of_the_room_is_too_large(tmp_path: Path) -> None:
    error = await refusal_of_large_upload(Spool(tmp_path, MEMORY_BYTES))
    assert isinstance(error, TooLargeError)
    assert "convert it to FLAC" in str(error)


async def test_an_upload_for_which_others_leave_no_room_may_come_later(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MEMORY_BYTES * 3 // 2)
    spool.reserve(MEMORY_BYTES, 0)
    assert isinstance(await refusal_of_large_upload(spool), OverloadedError)
    await until(lambda: spool.used_bytes == MEMORY_BYTES)


async def test_a_directory_that_cannot_be_written_to_is_no_room(tmp_path: Path) -> None:
    error = await refusal_of_large_upload(Spool(tmp_path / "missing"))
    assert isinstance(error, OverloadedError)
    assert "No such file or directory" in str(error)


@pytest.mark.parametrize("name", ["wav", "flac", "mp4"])
async def test_more_bytes_than_a_request_may_hold_are_refused_when_they_come(name: str) -> None:
    sent, file = Sent(), encode(*FORMATS[name])
    sent.send(file[:5_000])
    sent.send(file[5_000:])
    with pytest.raises(TooLargeError, match="larger than the 6000 bytes"):
        async for _ in decoded(UNKNOWN, sent, DecodeLimits(60, max_bytes=6_000)):
            pass


async def test_a_recording_that_is_too_long_is_refused_while_it_comes() -> None:
    sent = Sent()
    blocks = decoded(LINEAR, sent, DecodeLimits(max_seconds=2))
    sent.send(bytes(2 * 2 * RATE))
    assert len(await anext(blocks)) == 2 * RATE
    sent.send(bytes(2))
    with pytest.raises(InvalidRequestError, match="longer than the 2 s"):
        await anext(blocks)
