"""The windows of a recording, cut as it comes, are those that faster-whisper's batched pipeline feeds its model."""

import dataclasses
from collections.abc import AsyncIterator
from itertools import pairwise

import faster_whisper.vad
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.server.audio_files import speech_with_pauses
from whisper_server.audio import cutting
from whisper_server.audio.cutting import WindowCutter
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.audio.speech import VadOptions
from whisper_server.audio.voice_activity import STEP
from whisper_server.audio.windows import MAX_WINDOW_SECONDS, Piece, Window, first_window
from whisper_server.errors import InvalidRequestError

MOST = int(MAX_WINDOW_SECONDS * SAMPLE_RATE)
SECOND = np.zeros(SAMPLE_RATE, np.float32)


def cut(samples: Samples, vad: VadOptions | None, borders: list[int]) -> list[Window]:
    cutter, found = WindowCutter(vad), []
    for start, end in pairwise([0, *sorted(borders), len(samples)]):
        found += cutter.push(samples[start:end])
    return found + cutter.finish()


def fed_by_faster_whisper(samples: Samples, vad: VadOptions) -> list[Samples]:
    """Return what its pipeline takes, whose longest stretch of speech is always 30 s."""
    options = faster_whisper.vad.VadOptions(**dataclasses.asdict(vad))
    stretches = faster_whisper.vad.get_speech_timestamps(samples, options)
    chunks, _ = faster_whisper.vad.collect_chunks(samples, stretches, max_duration=30)
    return list(chunks)


@pytest.mark.parametrize(
    "vad",
    [VadOptions(), VadOptions(min_silence_duration_ms=2_000), VadOptions(speech_pad_ms=0, max_speech_duration_s=4)],
    ids=["default", "long pauses", "short stretches"],
)
def test_windows_are_those_of_faster_whispers_batched_pipeline(vad: VadOptions) -> None:
    samples = np.tile(speech_with_pauses(), 2)
    expected = fed_by_faster_whisper(samples, vad)
    windows = cut(samples, vad, list(range(0, len(samples), 8_000)))
    assert len(windows) >= 2
    assert [len(window.samples) for window in windows] == [len(chunk) for chunk in expected]
    for window, chunk in zip(windows, expected, strict=True):
        np.testing.assert_array_equal(window.samples, chunk)


@given(st.deferred(lambda: st.lists(st.integers(0, len(speech_with_pauses())), max_size=8)))
@settings(max_examples=8, deadline=None)
def test_pieces_say_where_in_the_recording_the_samples_of_a_window_were(borders: list[int]) -> None:
    samples = speech_with_pauses()
    windows = cut(samples, VadOptions(), borders)
    for window in windows:
        said = [samples[piece.start : piece.start + piece.length] for piece in window.pieces]
        np.testing.assert_array_equal(np.concatenate(said), window.samples)
        assert [piece.at for piece in window.pieces] == np.cumsum([0, *map(len, said[:-1])]).tolist()
    starts = [piece.start for window in windows for piece in window.pieces]
    assert starts == sorted(starts)
    assert len(starts) > len(windows)


@given(st.integers(0, 2 * MOST + 5), st.lists(st.integers(0, 2 * MOST), max_size=5))
@settings(max_examples=20, deadline=None)
def test_without_voice_activity_detection_every_30_s_are_a_window(length: int, borders: list[int]) -> None:
    samples = np.arange(length, dtype=np.float32)
    windows = cut(samples, None, [border for border in borders if border <= length])
    starts = range(0, length, MOST)
    assert [window.pieces for window in windows] == [(Piece(0, start, min(MOST, length - start)),) for start in starts]
    np.testing.assert_array_equal(np.concatenate([samples[:0], *(window.samples for window in windows)]), samples)


def test_a_window_comes_once_the_stretch_that_no_longer_fits_has_ended() -> None:
    vad, samples = VadOptions(speech_pad_ms=0), np.tile(speech_with_pauses(), 2)
    options = faster_whisper.vad.VadOptions(**dataclasses.asdict(vad))
    stretches = faster_whisper.vad.get_speech_timestamps(samples, options)
    lengths = np.cumsum([stretch["end"] - stretch["start"] for stretch in stretches])
    ended = stretches[int(np.argmax(lengths > MOST))]["end"]
    cutter = WindowCutter(vad)
    assert not cutter.push(samples[:ended])
    pause = vad.min_silence_duration_ms * SAMPLE_RATE // 1000
    assert len(cutter.push(samples[ended : ended + pause + 2 * STEP])) == 1


def test_a_stretch_longer_than_a_window_becomes_several() -> None:
    """With so much padding that no window holds it."""
    vad = VadOptions(speech_pad_ms=40_000)
    pause = np.zeros(50 * SAMPLE_RATE, np.float32)
    windows = cut(np.concatenate([pause, speech_with_pauses(), pause]), vad, [])
    assert max(len(window.samples) for window in windows) == MOST
    ends = [piece.start + piece.length for window in windows for piece in window.pieces]
    assert [piece.start for window in windows for piece in window.pieces][1:] == ends[:-1]


def test_silence_gives_no_window_and_keeps_nothing() -> None:
    cutter = WindowCutter(VadOptions())
    for _ in range(60):
        assert not cutter.push(SECOND)
        assert cutter.kept_samples <= 2 * SAMPLE_RATE
    assert not cutter.finish()


def test_speech_keeps_no_more_than_a_window_and_the_stretch_that_goes_on() -> None:
    cutter = WindowCutter(VadOptions())
    samples = np.tile(speech_with_pauses(), 2)
    kept = []
    for start in range(0, len(samples), SAMPLE_RATE):
        cutter.push(samples[start : start + SAMPLE_RATE])
        kept.append(cutter.kept_samples)
    assert max(kept) <= 2 * MOST


async def test_blocks_are_read_only_as_fast_as_windows_are_taken() -> None:
    read = 0

    async def blocks() -> AsyncIterator[Samples]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield SECOND

    windows = cutting.windows(blocks(), None)
    for taken in range(1, 4):
        assert len((await anext(windows)).samples) == MOST
        assert read == 30 * taken
    await windows.aclose()


async def test_one_block_of_many_windows_is_cut_a_window_at_a_time() -> None:
    async def block() -> AsyncIterator[Samples]:
        yield np.zeros(10 * MOST + 1, np.float32)

    lengths = [len(window.samples) async for window in cutting.windows(block(), None)]
    assert lengths == [MOST] * 10 + [1]


async def test_the_first_window_of_a_recording_without_a_sample_is_an_error() -> None:
    async def blocks() -> AsyncIterator[Samples]:
        yield SECOND[:0]

    with pytest.raises(InvalidRequestError, match="not one sample"):
        await first_window(blocks())
