"""Where utterances begin and end, from tables of probabilities."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_server.audio.voice_activity import STEP
from whisper_server.errors import InvalidRequestError
from whisper_server.live.endpoints import Begin, End, EndpointDetector
from whisper_server.live.interface import ENDPOINTING_LIMITS, Endpointing

#: Two steps of speech begin an utterance, five of silence end it.
QUICK = Endpointing(start_history_ms=64, start_threshold=0.5, stop_history_ms=160, stop_threshold=0.35)
SPEECH, SILENCE, BETWEEN = 0.9, 0.1, 0.4


def events(probabilities: list[float], endpointing: Endpointing = QUICK) -> list[tuple[int, Begin | End]]:
    """Return what happens, and in which step."""
    detector = EndpointDetector(endpointing)
    pushed = ((step, detector.push(probability)) for step, probability in enumerate(probabilities))
    return [(step, event) for step, event in pushed if event is not None]


def test_silence_has_no_events() -> None:
    assert events([SILENCE] * 1000) == []


def test_an_utterance_begins_once_speech_has_lasted_and_a_little_before_it() -> None:
    probabilities = [SILENCE] * 20 + [SPEECH] * 2
    assert events(probabilities) == [(21, Begin((20 - 12) * STEP))]


def test_a_click_begins_nothing() -> None:
    assert events([SILENCE] * 20 + [SPEECH] + [SILENCE] * 20) == []


def test_nothing_begins_before_the_stream_does() -> None:
    assert events([SPEECH] * 2) == [(1, Begin(0))]


def test_an_utterance_ends_once_silence_has_lasted_and_a_little_behind_its_speech() -> None:
    endpointing = Endpointing(start_history_ms=64, stop_history_ms=800)
    probabilities = [SPEECH] * 10 + [SILENCE] * 25
    assert events(probabilities, endpointing)[1:] == [(34, End((10 + 12) * STEP, 10 * STEP))]


def test_nothing_is_kept_that_has_not_come() -> None:
    """Where less silence ends an utterance than is kept behind speech."""
    assert events([SPEECH] * 10 + [SILENCE] * 5)[1:] == [(14, End(15 * STEP, 10 * STEP))]


def test_a_short_pause_ends_nothing() -> None:
    assert len(events(([SPEECH] * 10 + [SILENCE] * 4) * 20)) == 1


@pytest.mark.parametrize(
    ("probabilities", "happens"),
    [
        ([SILENCE] * 9 + [BETWEEN] * 9, []),
        ([SPEECH, BETWEEN], [(1, Begin(0))]),
        ([SPEECH] * 2 + [BETWEEN] * 50, [(1, Begin(0))]),
        ([SPEECH] * 2 + [SILENCE] + [BETWEEN] * 4, [(1, Begin(0)), (6, End(7 * STEP, 2 * STEP))]),
    ],
    ids=["after silence", "as speech begins", "after speech", "as silence begins"],
)
def test_steps_between_the_thresholds_go_on_with_what_was(
    probabilities: list[float], happens: list[tuple[int, Begin | End]]
) -> None:
    assert events(probabilities) == happens


def test_two_utterances_share_no_sample() -> None:
    probabilities = ([SPEECH] * 3 + [SILENCE] * 5) * 2
    assert [event for _, event in events(probabilities)] == [
        Begin(0),
        End(8 * STEP, 3 * STEP),
        Begin(8 * STEP),
        End(16 * STEP, 11 * STEP),
    ]


@given(
    st.lists(st.sampled_from([SPEECH, SILENCE, BETWEEN]), max_size=300),
    st.integers(1, 400),
    st.integers(1, 1000),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_utterances_alternate_in_order_and_lie_in_what_was_heard(
    probabilities: list[float], start_ms: int, stop_ms: int, upper: float, lower: float
) -> None:
    detector = EndpointDetector(
        Endpointing(start_history_ms=start_ms, start_threshold=upper, stop_history_ms=stop_ms, stop_threshold=lower)
    )
    last = 0
    for step, probability in enumerate(probabilities, start=1):
        needed = last if detector.speaking else detector.needed_from
        speaking = detector.speaking
        event = detector.push(probability)
        assert (type(event) is Begin) <= (not speaking)
        assert (type(event) is End) <= speaking
        if event is not None:
            assert needed <= event.at, "what an utterance needs was still there"
            assert last <= event.at <= step * STEP
            last = event.at
        assert 0 <= detector.silence <= 1
        if detector.speaking:
            assert detector.ending.speech <= detector.ending.at <= detector.heard
        else:
            assert detector.heard - detector.needed_from <= (13 + math.ceil(start_ms / 32)) * STEP


@pytest.mark.parametrize("name", sorted(ENDPOINTING_LIMITS))
@pytest.mark.parametrize("value", [-1, 1e9, math.nan])
def test_a_value_out_of_its_limits_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(InvalidRequestError, match=f"^endpointing: {name} is "):
        Endpointing(**{name: value})  # type: ignore[arg-type]  # floats for milliseconds too


@pytest.mark.parametrize("end", [0, 1])
def test_the_limits_themselves_are_taken(end: int) -> None:
    values = {name: limits[end] for name, limits in ENDPOINTING_LIMITS.items()}
    assert Endpointing(**values).stop_history_ms == ENDPOINTING_LIMITS["stop_history_ms"][end]  # type: ignore[arg-type]
