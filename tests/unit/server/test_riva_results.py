"""What was said as Riva's messages: readings of a whole recording, interims and finals."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.server.fakes import ENGLISH, HELLO
from whisper_server.engine.interface import Alternative, LanguageFound, Segment
from whisper_server.live.interface import Final, Interim
from whisper_server.rpc.riva_alternatives import readings
from whisper_server.rpc.riva_results import streaming_response


def segment(*hypotheses: tuple[str, float], tokens: int = 4) -> Segment:
    (text, mean), *others = hypotheses
    further = tuple(Alternative(other, likelihood, tokens) for other, likelihood in others)
    return Segment(text, 0.0, 1.0, mean, tokens, alternatives=further)


def test_the_likeliest_readings_of_a_recording_come_first() -> None:
    said = [segment((" one", -0.1), (" won", -0.5)), segment((" two", -0.1), (" too", -0.2), (" to", -0.9))]
    assert [reading.text for reading in readings(said, 4)] == [" one two", " one too", " won two", " won too"]
    assert [reading.text for reading in readings(said, 1)] == [" one two"]


def test_confidence_is_that_of_the_reading() -> None:
    said = [segment((" one", -0.1), (" won", -0.5)), segment((" two", -0.2), tokens=6)]
    assert [reading.confidence for reading in readings(said, 2)] == [
        pytest.approx(math.exp((-0.1 * 4 - 0.2 * 6) / 10)),
        pytest.approx(math.exp((-0.5 * 4 - 0.2 * 6) / 10)),
    ]


def test_a_reading_is_told_once() -> None:
    said = [segment((" one", -0.1), (" one", -0.3), (" won", -0.5))]
    assert [reading.text for reading in readings(said, 3)] == [" one", " won"]


def test_of_silence_there_is_one_reading() -> None:
    assert [(reading.text, reading.confidence) for reading in readings([], 3)] == [("", 0.0)]


def test_a_models_own_text_comes_first_whatever_its_likelihood() -> None:
    assert readings([segment((" one", -0.5), (" won", -0.4))], 2)[0].text == " one"


@given(
    st.lists(st.lists(st.floats(-3, 0), min_size=1, max_size=3), max_size=4),
    st.integers(min_value=1, max_value=5),
)
def test_no_reading_that_was_left_out_is_likelier(likelihoods: list[list[float]], most: int) -> None:
    said = [
        segment(*((f" {number}.{rank}", mean) for rank, mean in enumerate(sorted(means, reverse=True))))
        for number, means in enumerate(likelihoods)
    ]
    every = [sum(choice) for choice in itertools.product(*likelihoods)]
    found = readings(said, most)
    assert len(found) == min(most, len(every))
    assert [reading.log_probability / 4 for reading in found] == pytest.approx(sorted(every, reverse=True)[:most])


def test_an_interim_has_one_result_with_its_stability_and_no_confidence() -> None:
    response = streaming_response(Interim(" Hello th", 0.75, 1.5), 3)
    assert len(response.results) == 1
    result = response.results[0]
    assert [alternative.transcript for alternative in result.alternatives] == [" Hello th"]
    assert not result.is_final
    assert (result.stability, result.audio_processed, result.channel_tag) == (0.75, 1.5, 1)
    assert result.alternatives[0].confidence == 0
    assert not result.alternatives[0].words


def test_a_final_has_one_result_with_confidence_words_and_alternatives() -> None:
    response = streaming_response(Final(HELLO.segments, ENGLISH, 2.5), 1)
    assert len(response.results) == 1
    result = response.results[0]
    assert result.is_final
    assert (result.stability, result.audio_processed, result.channel_tag) == (0, 2.5, 1)
    best = result.alternatives[0]
    assert best.transcript == " Hello there. And bye."
    assert best.confidence == pytest.approx(math.exp((-0.1 * 4 - 0.4 * 2) / 6))
    assert [(word.word, word.start_time) for word in best.words][:2] == [("Hello", 500), ("there.", 800)]


def test_only_the_first_alternative_has_words() -> None:
    said = Segment(" one", 0, 1, -0.1, 2, HELLO.segments[0].words, alternatives=(Alternative(" won", -0.2, 2),))
    first, second = streaming_response(Final((said,), ENGLISH, 1.0), 2).results[0].alternatives
    assert (len(first.words), len(second.words)) == (2, 0)


def test_every_language_that_was_heard_is_told_and_each_words_own() -> None:
    english, korean = HELLO.segments[0], Segment(" 네", 2, 3, -0.1, 2, HELLO.segments[1].words, language="ko")
    found = streaming_response(Final((english, korean), LanguageFound("en"), 3.0), 1).results[0].alternatives[0]
    assert list(found.language_code) == ["en", "ko"]
    assert [word.language_code for word in found.words] == ["en", "en", "ko", "ko"]


def test_the_language_of_silence_is_the_one_that_was_found() -> None:
    found = streaming_response(Final((), LanguageFound("ko"), 3.0), 1).results[0].alternatives[0]
    assert list(found.language_code) == ["ko"]
