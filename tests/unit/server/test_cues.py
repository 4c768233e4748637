"""Subtitles are short, well broken and lose nothing; independent readers understand them."""

import html
import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

import whisper_server.cues
from tests.unit.server.fakes import ENGLISH, HELLO, SILENCE
from whisper_server.cues.atoms import LINE_COLUMNS, atoms_of, printable
from whisper_server.cues.breaking import CUE_LINES, CUE_MILLISECONDS, Cue, cues_of
from whisper_server.cues.render import render
from whisper_server.cues.scripts import ends_sentence, width
from whisper_server.cues.sentences import sentences_of
from whisper_server.cues.writers import Format, clock_time, writer_of
from whisper_server.engine.interface import Segment, Transcription, Word

SCHEMA = json.loads((Path(whisper_server.cues.__file__).parent / "transcription.schema.json").read_text())


def spoken(*words: str, pace: float = 0.3, pauses: dict[int, float] | None = None) -> Segment:
    """Return a segment whose words take `pace` seconds each, with pauses before some of them."""
    now, timed = 0.0, []
    for number, word in enumerate(words):
        now += (pauses or {}).get(number, 0.0)
        timed.append(Word(word, now, now + pace, 0.9))
        now += pace
    return Segment("".join(words), 0, now, -0.1, len(words), tuple(timed))


def sentence(text: str, **options: Any) -> Segment:
    return spoken(*re.findall(r" \S+", f" {text}"), **options)


def cues(segment: Segment) -> list[Cue]:
    return list(cues_of(atoms_of(segment)))


def shown(segment: Segment) -> list[str]:
    return ["\n".join(cue.lines) for cue in cues(segment)]


def transcription(*segments: Segment) -> Transcription:
    return Transcription(ENGLISH, segments)


LETTERS = st.sampled_from("aZ1é한국는你好世界アっー、。！？「」.,!?&<>-–ไทยกำ \n\x85\x00👍")  # noqa: RUF001
TEXTS = st.text(LETTERS, max_size=12)
SECONDS = st.floats(0, 200, allow_nan=False)
WORDS = st.lists(st.builds(Word, TEXTS, SECONDS, SECONDS, st.floats(0, 1)), max_size=12)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    """Any words at any times, however wrong; sometimes a text of which they are not the words."""
    words = draw(WORDS)
    text = draw(st.one_of(st.just("".join(word.text for word in words)), st.text(LETTERS, max_size=150)))
    return Segment(text, draw(SECONDS), draw(SECONDS), -0.5, 3, tuple(words))


def letters(text: str) -> str:
    return re.sub(r"\s|\x00", "", text)


def test_a_cue_is_seven_seconds_and_two_lines_of_42_columns_at_most() -> None:
    assert (CUE_MILLISECONDS, CUE_LINES, LINE_COLUMNS) == (7_000, 2, 42)


@settings(max_examples=50)
@given(segments())
def test_no_letter_is_lost_and_every_cue_is_short_enough(segment: Segment) -> None:
    made = cues(segment)
    assert letters("".join(line for cue in made for line in cue.lines)) == letters(segment.text)
    for cue in made:
        assert 0 < cue.end - cue.start <= CUE_MILLISECONDS
        assert 0 < len(cue.lines) <= CUE_LINES
        for line in cue.lines:
            assert 0 < len(line) <= width(line) <= LINE_COLUMNS
            assert line == line.strip()


@settings(max_examples=50)
@given(st.lists(segments(), max_size=4), st.sampled_from([Format.SRT, Format.VTT]))
def test_an_independent_reader_finds_all_text_in_cues_that_never_overlap(many: list[Segment], form: Format) -> None:
    document = render(form, transcription(*many), 200)
    read = webvtt.from_buffer(StringIO(document), form.value).captions if document else []
    found = letters(html.unescape("".join(caption.raw_text for caption in read)))
    expected = "".join(letters(segment.text) for segment in many)
    if form is Format.SRT:  # It has no way to write all arrows.
        found, expected = found.replace("-", ""), expected.replace("-", "")
    assert found == expected
    times = [time for caption in read for time in (caption.start_in_seconds, caption.end_in_seconds)]
    assert times == sorted(times)


@settings(max_examples=50)
@given(st.lists(segments(), max_size=3), st.floats(0, 1e5))
def test_json_is_as_its_schema_says_and_holds_the_words(many: list[Segment], seconds: float) -> None:
    document = json.loads(render(Format.JSON, transcription(*many), seconds))
    jsonschema.validate(document, SCHEMA)
    assert [segment["text"] for segment in document["segments"]] == [segment.text for segment in many]
    assert [[word["text"] for word in segment["words"]] for segment in document["segments"]] == [
        [word.text for word in segment.words] for segment in many
    ]
    assert document["duration"] == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize("form", Format)
def test_what_is_written_piece_by_piece_is_the_document(form: Format) -> None:
    writer = writer_of(form)
    parts = [writer.begin(HELLO.language), *map(writer.write, HELLO.segments), writer.finish(2.0)]
    assert all(parts[1:-1]), "each segment is written when it comes"
    assert "".join(parts) == render(form, HELLO, 2.0)


def test_the_four_documents_of_one_recording() -> None:
    assert render(Format.TXT, HELLO, 2.0) == "Hello there.\nAnd bye.\n"
    assert render(Format.SRT, HELLO, 2.0) == (
        "1\n00:00:00,500 --> 00:00:01,250\nHello there.\n\n2\n00:00:01,500 --> 00:00:02,000\nAnd bye.\n\n"
    )
    assert render(Format.VTT, HELLO, 2.0) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.250\nHello there.\n\n00:00:01.500 --> 00:00:02.000\nAnd bye.\n\n"
    )
    document = json.loads(render(Format.JSON, HELLO, 2.0))
    assert (document["language"], document["language_probability"], document["duration"]) == ("en", 0.9, 2.0)
    assert document["segments"][0]["words"][1] == {"text": " there.", "start": 0.8, "end": 1.25, "probability": 0.7}


def test_silence_is_a_document_too() -> None:
    assert render(Format.TXT, SILENCE, 2.0) == ""
    assert render(Format.SRT, SILENCE, 2.0) == ""
    assert render(Format.VTT, SILENCE, 2.0) == "WEBVTT\n\n"
    assert json.loads(render(Format.JSON, SILENCE, 2.0))["segments"] == []


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "00:00:00,000"), (61_001, "00:01:01,001"), (3_599_999, "00:59:59,999"), (360_000_000, "100:00:00,000")],
)
def test_times_have_hours_minutes_seconds_and_thousandths(milliseconds: int, text: str) -> None:
    assert clock_time(milliseconds, ",") == text


def test_text_that_looks_like_markup_is_escaped_in_vtt_and_harmless_in_srt() -> None:
    odd = transcription(sentence("<b> Q&A --> end"))
    assert "&lt;b&gt; Q&amp;A --&gt; end" in render(Format.VTT, odd, 2)
    assert "<b> Q&A -> end" in render(Format.SRT, odd, 2)


def test_cues_end_with_sentences() -> None:
    text = "This is the first of two sentences that are said. And here is another one, which is also rather long."
    assert shown(sentence(text)) == [
        "This is the first of two\nsentences that are said.",
        "And here is another one,\nwhich is also rather long.",
    ]


@pytest.mark.parametrize(
    ("word", "ends"),
    [("end.", True), ('end."', True), ("。", True), ("why?", True), ("Dr.", False), ("J.", False), ("end,", False)],
)
def test_titles_and_initials_end_no_sentence(word: str, ends: bool) -> None:  # noqa: FBT001
    assert ends_sentence(word) is ends


def test_short_sentences_share_a_cue_and_it_is_broken_between_them() -> None:
    assert shown(sentence("Yes, that is what I think too. I am sure of that.", pace=0.2)) == [
        "Yes, that is what I think too.\nI am sure of that."
    ]


def test_a_cue_does_not_show_what_is_said_after_a_long_pause() -> None:
    made = cues(sentence("Listen to this now", pauses={2: 2.0}))
    assert [cue.lines for cue in made] == [("Listen to",), ("this now",)]
    assert [(cue.start, cue.end) for cue in made] == [(0, 600), (2600, 3200)]


def test_where_no_sentence_ends_it_is_broken_at_a_pause() -> None:
    words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    halves = shown(sentence(words, pauses={9: 0.5}))
    assert halves[0].endswith("nine")
    assert halves[1].startswith("ten")


def test_slow_speech_is_cut_by_time() -> None:
    made = cues(sentence("Very slow words are said here one by one", pace=2.0))
    assert all(cue.end - cue.start <= CUE_MILLISECONDS for cue in made)
    assert len(made) == 3


def test_one_endless_word_is_shown_for_as_long_as_a_cue_may_be() -> None:
    assert [(cue.start, cue.end) for cue in cues(spoken(" Goal", pace=20.0))] == [(0, CUE_MILLISECONDS)]


def test_a_text_without_spaces_is_broken_between_characters_but_not_before_its_punctuation() -> None:
    text = "我们今天来谈谈语音识别。" * 6
    made = cues(spoken(*text, pace=0.1))
    assert "".join("".join(cue.lines) for cue in made) == text
    assert all(line[0] != "。" for cue in made for line in cue.lines)
    assert all(cue.lines[-1].endswith("。") for cue in made)


def test_korean_is_broken_at_its_spaces() -> None:
    text = "오늘은 음성 인식에 대해서 이야기해 보려고 합니다 그리고 내일은 다른 주제를 다룰 예정입니다"
    lines = [line for cue in cues(sentence(text)) for line in cue.lines]
    assert len(lines) > 1
    assert " ".join(lines) == text


def test_a_word_in_pieces_without_a_space_between_them_stays_whole() -> None:
    words = [" about", " forty", " times", " with", " their", " own", " twenty", "-one", " friends", " here"]
    assert any("twenty-one" in line for text in shown(spoken(*words)) for line in text.split("\n"))


def test_without_word_times_a_segments_time_is_shared_by_the_length_of_the_text() -> None:
    text = " Ten words of four each said here from then here." + " And then nine more just like them come last too."
    made = cues(Segment(text, 10.0, 20.0, -0.1, 20))
    assert [cue.start for cue in made] == [10_000, pytest.approx(15_000, abs=100)]
    assert made[-1].end == 20_000


def test_words_that_do_not_say_all_of_the_text_are_not_trusted() -> None:
    whole = sentence("All of this was said")
    assert shown(replace(whole, words=whole.words[:2])) == ["All of this was said"]


def test_a_segment_is_told_in_sentences_with_the_times_of_their_words() -> None:
    segment = sentence("Good morning, Dr. Lee. How are you?", pauses={4: 2.0})
    told = [(one.text, round(one.start, 1), round(one.end, 1)) for one in sentences_of(segment)]
    assert told == [("Good morning, Dr. Lee.", 0.0, 1.2), ("How are you?", 3.2, 4.1)]


def test_a_segment_whose_words_are_unknown_is_told_whole() -> None:
    segment = Segment(" One. Two.", 0.5, 2.5, -0.1, 4)
    assert [(one.text, one.start, one.end) for one in sentences_of(segment)] == [("One. Two.", 0.5, 2.5)]


@given(WORDS)
def test_sentences_lose_nothing_of_what_is_said(words: list[Word]) -> None:
    segment = Segment("".join(word.text for word in words), 0, 1, -0.1, len(words), tuple(words))
    told = "".join(one.text for one in sentences_of(segment))
    assert "".join(told.split()) == "".join(printable(segment.text).split())
