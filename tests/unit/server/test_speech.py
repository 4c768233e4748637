"""Where speech begins and ends, decided step by step, is what faster-whisper decides at the recording's end."""

import dataclasses
from itertools import pairwise
from unittest import mock

import faster_whisper.vad
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.server.audio_files import speech_with_pauses
from whisper_server.audio.speech import Speech, SpeechFinder, VadOptions
from whisper_server.audio.voice_activity import STEP, Probabilities, SpeechProbabilities

OPTIONS = st.builds(
    VadOptions,
    threshold=st.sampled_from([0.1, 0.3, 0.5, 0.9]),
    neg_threshold=st.sampled_from([None, 0.05, 0.35, 0.6]),
    min_speech_duration_ms=st.sampled_from([0, 32, 250, 1_001]),
    max_speech_duration_s=st.sampled_from([0.5, 1.7, 5.0, 30.0, float("inf")]),
    min_silence_duration_ms=st.sampled_from([0, 33, 98, 160, 500, 2_000]),
    speech_pad_ms=st.sampled_from([0, 1, 30, 100, 400, 1_500]),
)
#: Speech and pauses of all lengths, with the thresholds above met exactly, missed closely, and crossed.
RUNS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.05, 0.2, 0.3, 0.34, 0.35, 0.5, 0.6, 0.95]), st.integers(1, 60)), max_size=25
)


def as_a_whole(probabilities: Probabilities, total: int, options: VadOptions) -> list[Speech]:
    """Return what faster-whisper's own function makes of `probabilities`."""
    theirs = faster_whisper.vad.VadOptions(**dataclasses.asdict(options))
    with mock.patch.object(faster_whisper.vad, "get_vad_model", return_value=lambda _: probabilities):
        found = faster_whisper.vad.get_speech_timestamps(np.zeros(total, np.float32), theirs)
    return [Speech(stretch["start"], stretch["end"]) for stretch in found]


def in_pieces(probabilities: Probabilities, total: int, options: VadOptions, cuts: list[int]) -> list[Speech]:
    """Return what comes out, and see that what is no longer kept is not asked for."""
    finder, found = SpeechFinder(options), []
    for start, end in pairwise([0, *sorted(cuts), len(probabilities)]):
        kept_from = finder.kept_from
        come = finder.push(probabilities[start:end])
        assert all(speech.start >= kept_from for speech in come)
        found += come
    kept_from = finder.kept_from
    last = finder.finish(total)
    assert all(speech.start >= kept_from for speech in last)
    return found + last


@given(RUNS, st.integers(0, STEP - 1), OPTIONS, st.data())
@settings(max_examples=200, deadline=None)
def test_stretches_are_those_of_the_whole_recording_whatever_the_options(
    runs: list[tuple[float, int]], beyond: int, options: VadOptions, data: st.DataObject
) -> None:
    probabilities = np.repeat([level for level, _ in runs], [steps for _, steps in runs]).astype(np.float32)
    probabilities = np.append(probabilities, np.float32(0.5))
    total = (len(probabilities) - 1) * STEP + beyond
    cuts = data.draw(st.lists(st.integers(0, len(probabilities)), max_size=10), "cuts")
    found = in_pieces(probabilities, total, options, cuts)
    assert found == as_a_whole(probabilities, total, options)
    assert all(isinstance(bound, int) for speech in found for bound in (speech.start, speech.end))


@pytest.mark.parametrize(
    "options",
    [VadOptions(), VadOptions(max_speech_duration_s=3), VadOptions(0.3, 0.1, 250, 8.0, 2_000, 200)],
    ids=["default", "short", "other"],
)
def test_recordings_with_pauses_between_them_are_divided_as_faster_whisper_does(options: VadOptions) -> None:
    samples = speech_with_pauses()
    incremental, finder = SpeechProbabilities(), SpeechFinder(options)
    found = []
    for start in range(0, len(samples), 1_600):
        found += finder.push(incremental.push(samples[start : start + 1_600]))
    found += finder.push(incremental.finish())
    found += finder.finish(len(samples))
    theirs = faster_whisper.vad.VadOptions(**dataclasses.asdict(options))
    expected = faster_whisper.vad.get_speech_timestamps(samples, theirs)
    assert len(found) > 3
    assert found == [Speech(stretch["start"], stretch["end"]) for stretch in expected]


def steps(*levels: tuple[float, int]) -> Probabilities:
    return np.repeat([level for level, _ in levels], [count for _, count in levels]).astype(np.float32)


def test_a_stretch_comes_out_once_the_pause_behind_it_is_too_long_to_be_shared() -> None:
    finder = SpeechFinder(VadOptions(speech_pad_ms=320))
    assert not finder.push(steps((0.0, 20), (0.9, 30), (0.0, 19)))
    assert finder.push(steps((0.0, 1))) == [Speech(10 * STEP, 60 * STEP)]


def test_a_stretch_comes_out_once_the_next_one_is_certain() -> None:
    finder = SpeechFinder(VadOptions(speech_pad_ms=320, min_speech_duration_ms=64))
    assert not finder.push(steps((0.0, 20), (0.9, 30), (0.0, 10), (0.9, 3)))
    assert finder.push(steps((0.9, 1))) == [Speech(10 * STEP, 55 * STEP)]


def test_silence_keeps_no_more_than_the_padding_of_speech_to_come() -> None:
    finder = SpeechFinder(VadOptions(speech_pad_ms=320))
    finder.push(steps((0.0, 100_000)))
    assert finder.kept_from == (100_000 - 10) * STEP
