"""What the model takes in of a long recording is what the extractor makes of it at once."""

import os
import subprocess
import sys

import numpy as np
import pytest
from faster_whisper.audio import pad_or_trim
from faster_whisper.feature_extractor import FeatureExtractor

from whisper_server.engine.features import LongFeatures, sounding_frames, window_features

EXTRACTOR = FeatureExtractor()


@pytest.mark.parametrize("length", [0, 1, 199, 200, 201, 240, 400, 1000, 16_000, 12_320, 16_000 * 70 + 33])
def test_long_features_are_those_of_the_whole_recording(length: int) -> None:
    random = np.random.default_rng(length)
    samples = (random.standard_normal(length) * np.linspace(0.001, 1, length)).astype(np.float32)
    whole = EXTRACTOR(samples)
    features, place = LongFeatures(EXTRACTOR), 0
    while place < length:
        step = int(random.integers(1, 40_000))
        features.push(samples[place : place + step])
        place += step
    features.finish()
    assert features.frames == whole.shape[1] - 1
    for start in {0, features.frames // 2, features.frames}:
        size = min(3000, whole.shape[1] - start)
        expected = pad_or_trim(whole[:, start : start + size])
        np.testing.assert_allclose(features.window(start, size), expected, atol=1e-5)


def test_a_window_is_padded_to_30_seconds() -> None:
    features = window_features(EXTRACTOR, np.ones(16_000, np.float32))
    assert features.shape == (80, 3000)
    assert features.dtype == np.float32
    assert not features[:, 100:].any()


def test_whole_seconds_are_taken_for_sound() -> None:
    assert [sounding_frames(seconds) for seconds in (0.2, 1.0, 29.3, 30.0)] == [100, 100, 3000, 3000]


def test_numpy_keeps_no_threads_that_would_spin_on_the_models_cores() -> None:
    script = "import os, whisper_server, numpy; print(len(os.listdir('/proc/self/task')))"
    set_by_others = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in set_by_others}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True, timeout=240
    )
    assert done.stdout.strip() == "1"
