"""Where an utterance without a pause is cut."""

import numpy as np
import pytest

from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.engine.interface import Word
from whisper_server.live.cutting import Cut, Stretch, TimedTranscript, choose_cut

START = 7 * SAMPLE_RATE
END = 17 * SAMPLE_RATE
#: Ten words of a second each.
TEXTS = [f" w{number}" for number in range(10)]
WORDS = tuple(Word(text, 7 + place, 8 + place, 0.9) for place, text in enumerate(TEXTS))


def stretch(*quiet_at: float, for_seconds: float = 0.02) -> Stretch:
    """Return 10 s of noise with silence about each of the given times of the stream."""
    samples = np.ones(10 * SAMPLE_RATE, np.float32)
    for seconds in quiet_at:
        middle = round(seconds * SAMPLE_RATE) - START
        half = round(for_seconds * SAMPLE_RATE / 2)
        samples[middle - half : middle + half] = 0
    return Stretch(samples, START)


#: The quietest place of each border is 50 ms behind it.
SPOKEN = stretch(*(border + 0.05 for border in range(8, 17)))
ALL = TimedTranscript(WORDS, END)


def seconds(cut: Cut) -> float:
    return round(cut.at / SAMPLE_RATE, 2)


def test_the_cut_is_behind_the_last_agreed_word_where_it_is_quietest() -> None:
    cut = choose_cut(SPOKEN, ALL, [*TEXTS[:7], " other"])
    assert seconds(cut) == 14.05
    assert cut.rest == tuple(TEXTS[7:])


def test_the_quiet_is_looked_for_no_further_than_word_times_may_be_wrong() -> None:
    cut = choose_cut(stretch(14.3, 13.7), ALL, TEXTS[:7])
    assert 13.85 <= seconds(cut) <= 14.15


def test_a_word_at_the_very_end_may_be_half_heard_whoever_agrees() -> None:
    assert choose_cut(SPOKEN, ALL, TEXTS).rest == (" w9",)


@pytest.mark.parametrize("earlier", [[], [" something", " else"], TEXTS[:4]], ids=["none", "other words", "too few"])
def test_without_agreement_it_is_cut_before_words_that_may_be_half_heard(earlier: list[str]) -> None:
    cut = choose_cut(SPOKEN, ALL, earlier)
    assert cut.rest == (" w8", " w9")
    assert seconds(cut) == 15.05


def test_without_words_it_is_cut_in_the_quietest_moment_of_the_last_seconds() -> None:
    assert choose_cut(stretch(9, 15.5, for_seconds=0.1), TimedTranscript(), []) == Cut(round(15.5 * SAMPLE_RATE))


def test_where_all_words_have_the_last_time_it_is_cut_in_a_quiet_moment() -> None:
    stuck = tuple(Word(text, 16.9, 17, 0.9) for text in TEXTS)
    assert choose_cut(stretch(15.5, for_seconds=0.1), TimedTranscript(stuck, END), TEXTS) == Cut(
        round(15.5 * SAMPLE_RATE)
    )


def test_a_transcript_of_less_than_the_whole_is_relied_on_as_far_as_it_goes() -> None:
    cut = choose_cut(SPOKEN, TimedTranscript(WORDS[:8], 15 * SAMPLE_RATE), TEXTS[:8])
    assert seconds(cut) == 14.05


def test_behind_the_last_word_of_all_the_cut_is_near_its_end() -> None:
    assert 14.9 <= seconds(choose_cut(SPOKEN, TimedTranscript(WORDS[:8], END), TEXTS[:8])) <= 15.15


def test_characters_that_stand_for_words_are_agreed_word_by_word() -> None:
    words = tuple(
        Word(text, 7 + 2 * place, 9 + 2 * place, 0.9) for place, text in enumerate(["打开", "红色", "的", "收音机"])
    )
    assert choose_cut(SPOKEN, TimedTranscript(words, END), list("打开红色的")).rest == ("收音机",)
    assert choose_cut(SPOKEN, TimedTranscript(words, END), list("打开红色的收")).rest == ("收音机",)


def test_silence_is_cut_anywhere_in_its_last_seconds() -> None:
    silence = Stretch(np.zeros(10 * SAMPLE_RATE, np.float32), START)
    assert 11 <= seconds(choose_cut(silence, TimedTranscript(), [])) <= 17
