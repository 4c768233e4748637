"""Where an utterance without a pause is cut."""

import numpy as np
import pytest

from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.engine.interface import Alternative, Segment, Word
from whisper_server.live.cutting import Speech, cut_at_agreement, without_words

START = 7 * SAMPLE_RATE
#: Ten words of a second each, with the quietest place of their border 50 ms behind it.
TEXTS = [f" w{number}" for number in range(10)]


def words(first: int = 0, count: int = 10) -> tuple[Word, ...]:
    return tuple(Word(TEXTS[place], 7 + place, 8 + place, 0.9) for place in range(first, first + count))


def segment(words: tuple[Word, ...]) -> Segment:
    text = "".join(word.text for word in words)
    return Segment(text, words[0].start, words[-1].end, -0.25, 2 * len(words), words)


def speech(*segments: Segment) -> Speech:
    samples = np.ones(10 * SAMPLE_RATE, np.float32)
    for border in range(1, 10):
        quiet = round((border + 0.05) * SAMPLE_RATE)
        samples[quiet - 160 : quiet + 160] = 0
    return Speech(samples, START, segments or (segment(words()),))


def seconds(at: int) -> float:
    return round(at / SAMPLE_RATE, 2)


def test_the_cut_is_behind_the_last_agreed_word_where_it_is_quietest() -> None:
    cut = cut_at_agreement(speech(), [*TEXTS[:8], " other"])
    assert [segment.text for segment in cut.segments] == ["".join(TEXTS[:8])]
    assert seconds(cut.at) == 7 + 8 + 0.05
    assert cut.rest == tuple(TEXTS[8:])


def test_what_is_kept_of_a_segment_ends_with_its_last_word() -> None:
    (kept,) = cut_at_agreement(speech(), TEXTS[:8]).segments
    assert (kept.start, kept.end, kept.words) == (7, 15, words(count=8))
    assert (kept.mean_log_probability, kept.tokens) == (-0.25, 16)


def test_hypotheses_of_more_than_is_kept_are_dropped() -> None:
    whole = segment(words())
    whole = Segment(whole.text, 7, 17, -0.25, 20, whole.words, alternatives=(Alternative(" other", -0.3, 3),))
    (kept,) = cut_at_agreement(speech(whole), TEXTS[:8]).segments
    assert kept.alternatives == ()


def test_segments_before_the_cut_are_kept_whole_and_those_behind_it_not_at_all() -> None:
    first, second, third = segment(words(0, 4)), segment(words(4, 4)), segment(words(8, 2))
    cut = cut_at_agreement(speech(first, second, third), TEXTS[:8])
    assert cut.segments == (first, second)
    assert cut_at_agreement(speech(first, second, third), TEXTS[:7]).segments[0] is first


def test_a_word_at_the_very_end_may_be_half_heard_whoever_agrees() -> None:
    cut = cut_at_agreement(speech(), TEXTS)
    assert cut.rest == (" w9",)


@pytest.mark.parametrize("other", [[], [" something", " else"], TEXTS[:4]], ids=["no other", "other words", "too few"])
def test_without_agreement_it_is_cut_before_words_that_may_be_half_heard(other: list[str]) -> None:
    cut = cut_at_agreement(speech(), other)
    assert cut.rest == (" w8", " w9")
    assert seconds(cut.at) == 15.05


def test_words_that_all_have_one_time_stay_together() -> None:
    stuck = tuple(Word(text, 13, 13, 0.9) for text in TEXTS[6:])
    cut = cut_at_agreement(speech(segment(words(count=6) + stuck)), TEXTS[:8])
    assert "".join(segment.text for segment in cut.segments) == "".join(TEXTS)
    assert cut.rest == ()


def test_where_no_word_is_safe_all_is_taken() -> None:
    late = tuple(Word(text, 16.9, 17, 0.9) for text in TEXTS)
    cut = cut_at_agreement(speech(segment(late)), TEXTS)
    assert (cut.segments, cut.at) == (speech(segment(late)).segments, START + 10 * SAMPLE_RATE)


def test_where_nothing_is_said_nothing_is_kept() -> None:
    nothing = Speech(np.zeros(10 * SAMPLE_RATE, np.float32), START, ())
    cut = cut_at_agreement(nothing, [])
    assert (cut.segments, cut.at) == ((), START + 10 * SAMPLE_RATE)


def test_segments_without_words_keep_all_the_rest() -> None:
    (bare,) = without_words([segment(words())])
    assert bare.words == ()
    assert bare.text == "".join(TEXTS)
