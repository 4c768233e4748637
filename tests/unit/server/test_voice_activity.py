"""Voice activity, found as a recording comes, is what faster-whisper finds in all of it at once."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from faster_whisper.vad import get_vad_model
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.server.audio_files import speech_with_pauses
from whisper_server.audio.samples import Samples
from whisper_server.audio.voice_activity import STEP, Probabilities, SpeechProbabilities


def in_one_run(samples: Samples) -> Probabilities:
    """Return what faster-whisper's get_speech_timestamps has its network say."""
    padded = np.pad(samples, (0, STEP - len(samples) % STEP))
    return np.asarray(get_vad_model()(padded))


def in_blocks(samples: Samples, cuts: list[int]) -> Probabilities:
    incremental = SpeechProbabilities()
    borders = [0, *sorted(cuts), len(samples)]
    found = [incremental.push(samples[start:end]) for start, end in pairwise(borders)]
    return np.concatenate([*found, incremental.finish()])


@given(st.data())
@settings(max_examples=12, deadline=None)
def test_probabilities_are_the_same_wherever_the_recording_is_cut_into_blocks(data: st.DataObject) -> None:
    speech = speech_with_pauses()
    length = data.draw(st.integers(0, len(speech)), "length")
    cuts = data.draw(st.lists(st.integers(0, length), max_size=12), "cuts")
    np.testing.assert_array_equal(in_blocks(speech[:length], cuts), in_one_run(speech[:length]))


@pytest.mark.parametrize("beyond", [0, 1, STEP - 65, STEP - 64, STEP - 1])
def test_the_last_step_is_filled_up_as_faster_whisper_does(beyond: int) -> None:
    samples = speech_with_pauses()[: 40 * STEP + beyond]
    np.testing.assert_array_equal(in_blocks(samples, []), in_one_run(samples))


def test_a_recording_longer_than_one_run_takes_its_memory_along() -> None:
    np.testing.assert_array_equal(in_blocks(speech_with_pauses(), []), in_one_run(speech_with_pauses()))


def test_a_probability_comes_with_the_last_sample_of_its_step() -> None:
    incremental = SpeechProbabilities()
    assert len(incremental.push(np.zeros(STEP - 1, np.float32))) == 0
    assert len(incremental.push(np.zeros(1, np.float32))) == 1


def test_recordings_heard_at_the_same_time_do_not_mix() -> None:
    speech = speech_with_pauses()
    parts = [speech[start : start + 200 * STEP] for start in range(0, 8 * STEP, STEP)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda part: in_blocks(part, [5_000, 50_000]), parts))
    for part, found in zip(parts, together, strict=True):
        np.testing.assert_array_equal(found, in_one_run(part))
