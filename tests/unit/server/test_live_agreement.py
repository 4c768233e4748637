"""What successive transcripts agree on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_server.live.agreement import LocalAgreement, last_agreed, normalize, split_words

TEXTS = st.lists(st.sampled_from(["the", "red", "radio", "one", "One.", "번"]), max_size=12).map(
    lambda words: "".join(f" {word}" for word in words)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("  ", ()),
        (" Close the radio.", (" Close", " the", " radio.")),
        ("하얀 창문", ("하얀", " 창문")),
        ("打开红灯。", ("打", "开", "红", "灯", "。")),
        (" 打开 radio one", (" 打", "开", " radio", " one")),
        ("ラジオを", ("ラ", "ジ", "オ", "を")),
        ("สวัสดี", ("ส", "ว", "ั", "ส", "ด", "ี")),
    ],
)
def test_a_text_is_split_into_words_or_where_there_are_none_into_characters(text: str, words: tuple[str, ...]) -> None:
    assert split_words(text) == words


@given(st.text())
def test_no_character_of_a_text_is_lost_in_its_words(text: str) -> None:
    assert "".join(split_words(text)) == text.rstrip()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (" Radio.", "radio", True),
        ("Straße", "STRASSE", True),
        ("don't", "dont", True),
        (" 5", " 6", False),
        (" ...", " -", False),
        ("...", " ...", True),
    ],
)
def test_words_are_compared_without_case_and_punctuation(one: str, other: str, *, same: bool) -> None:
    assert (normalize(one) == normalize(other)) is same


def test_a_first_transcript_is_told_and_nothing_of_it_is_stable() -> None:
    said = LocalAgreement().add(" Close the")
    assert (said.text, said.stability) == (" Close the", 0)


def test_what_two_transcripts_in_a_row_begin_with_is_agreed() -> None:
    agreement = LocalAgreement()
    agreement.add(" Close the bread")
    said = agreement.add(" Close the red radio")
    assert (said.text, said.stability) == (" Close the red radio", 0.5)
    assert agreement.agreed == (" Close", " the")


def test_stability_stays_below_one_when_all_is_agreed() -> None:
    agreement = LocalAgreement()
    agreement.add(" Hello.")
    assert 0.9 < agreement.add(" Hello.").stability < 1


def test_what_is_agreed_stays_when_a_later_transcript_says_otherwise() -> None:
    agreement = LocalAgreement()
    for text in (" Close the red", " Close the red radio"):
        agreement.add(text)
    said = agreement.add(" Closed a red radio number")
    assert said.text == " Close the red radio number"


def test_a_transcript_that_leaves_out_what_is_agreed_goes_on_where_it_ends() -> None:
    agreement = LocalAgreement()
    for text in (" Close the red", " Close the red radio"):
        agreement.add(text)
    assert agreement.add(" the red radio number").text == " Close the red radio number"


def test_nothing_said_takes_back_nothing() -> None:
    agreement = LocalAgreement()
    for text in (" Close the red", " Close the red radio"):
        agreement.add(text)
    assert agreement.add("").text == " Close the red"


def test_agreed_words_take_the_punctuation_that_is_heard_now() -> None:
    agreement = LocalAgreement()
    for text in (" Close the red radio.", " Close the red radio."):
        agreement.add(text)
    assert agreement.add(" Close the red radio number one.").text == " Close the red radio number one."


def test_what_a_cut_left_counts_as_a_transcript() -> None:
    agreement = LocalAgreement((" number", " one"))
    agreement.add(" number one and two")
    assert agreement.agreed == (" number", " one")


@given(st.lists(TEXTS, max_size=6))
def test_agreed_words_only_become_more_and_begin_every_text(texts: list[str]) -> None:
    agreement = LocalAgreement()
    for text in texts:
        before = [normalize(word) for word in agreement.agreed]
        said = agreement.add(text)
        after = [normalize(word) for word in agreement.agreed]
        assert after[: len(before)] == before
        assert [normalize(word) for word in split_words(said.text)][: len(after)] == after
        assert 0 <= said.stability < 1


@pytest.mark.parametrize(
    ("words", "other", "count"),
    [
        ("a b c d e", "a b c d x", 4),
        ("a b c d e", "a x b c d e", 5),
        ("a b c d e f g", "a b c x e f", 3),
        ("a b c d e f g", "a b c x e f g", 7),
        ("a b c", "x y z", 0),
        ("a b", "a b", 2),
        ("a b", "a", 1),
        ("", "a", 0),
        ("a", "", 0),
    ],
)
def test_the_last_agreed_word_ends_a_run_that_both_transcripts_have(words: str, other: str, count: int) -> None:
    assert last_agreed(words.split(), other.split()) == count
