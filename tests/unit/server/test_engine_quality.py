"""Which texts pass, which are tried again, which are silence."""

import pytest

from whisper_server.engine.options import DecodingOptions
from whisper_server.engine.quality import Quality, Thresholds, best, compression_ratio, is_silence, passes

DEFAULT = Thresholds.of(DecodingOptions())
NOTHING = Thresholds(None, None, None)
GOOD = Quality(1.5, -0.3, 0.1)


@pytest.mark.parametrize(
    ("quality", "thresholds", "passed", "silent"),
    [
        (GOOD, DEFAULT, True, False),
        (Quality(2.5, -0.3, 0.1), DEFAULT, False, False),
        (Quality(1.5, -1.1, 0.1), DEFAULT, False, False),
        (Quality(1.5, -1.1, 0.7), DEFAULT, True, True),
        (Quality(2.5, -1.1, 0.7), DEFAULT, True, True),
        (Quality(1.5, -0.3, 0.7), DEFAULT, True, False),
        (Quality(2.5, -0.3, 0.7), DEFAULT, False, False),
        (Quality(9.0, -9.0, 0.9), NOTHING, True, False),
        (Quality(9.0, -9.0, 0.9), Thresholds(None, None, 0.6), True, True),
    ],
    ids=[
        *("good", "a loop", "improbable", "improbable where nobody speaks", "a loop where nobody speaks"),
        *("probable though nobody speaks", "a probable loop", "no thresholds", "no speech alone"),
    ],
)
def test_a_text_is_judged(quality: Quality, thresholds: Thresholds, *, passed: bool, silent: bool) -> None:
    assert passes(quality, thresholds) is passed
    assert is_silence(quality, thresholds) is silent


def test_of_texts_that_all_fail_the_likeliest_that_is_no_loop_is_taken() -> None:
    attempts = [Quality(3.0, -0.2, 0), Quality(1.2, -1.5, 0), Quality(1.2, -1.2, 0)]
    assert best(attempts, DEFAULT) == 2
    assert best(attempts[:1] * 2, DEFAULT) == 0


def test_a_loop_compresses_well() -> None:
    assert compression_ratio("Close the red radio number one.") < 1
    assert compression_ratio("again and " * 50) > 2.4
