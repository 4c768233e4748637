"""Utterances of a live stream and their finals: when they are told, and what is asked of the model for them."""

import asyncio

import pytest

from tests.unit.server.live_speech import Script
from tests.unit.server.live_streams import FINALS, TALK, Stream, finals, text
from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.engine.interface import LanguageFound
from whisper_server.engine.schedule.errors import RowExpiredError
from whisper_server.live.interface import Final, Interim


async def test_what_stands_between_pauses_is_an_utterance() -> None:
    updates = await Stream(options=FINALS).all()
    assert [text(final) for final in finals(updates)] == [
        " w0 w1 w2 w3",
        " w4 w5 w6 w7 w8 w9",
        " w10 w11 w12",
    ]


async def test_times_are_those_of_the_stream() -> None:
    (*_, last) = finals(await Stream(options=FINALS, word_times=True).all())
    times = [(round(word.start * SAMPLE_RATE), round(word.end * SAMPLE_RATE)) for word in last.segments[0].words]
    assert times == [(word.start, word.end) for word in TALK.words[-3:]]


async def test_a_final_comes_as_soon_as_the_silence_is_long_enough() -> None:
    (first, *_) = finals(await Stream(options=FINALS).all())
    speech_ends = TALK.words[3].end / SAMPLE_RATE
    assert 0.8 <= first.audio_seconds - speech_ends <= 0.8 + 0.2


async def test_a_final_is_begun_before_its_silence_is_over_and_made_once() -> None:
    stream = Stream(options=FINALS)
    await stream.all()
    asked = stream.engine.asked
    ends = [TALK.words[last].end / SAMPLE_RATE for last in (3, 9, 12)]
    assert len(asked) == 3
    assert all(0.4 <= begun - end <= 0.65 for begun, end in zip(asked, ends, strict=True))


async def test_a_final_is_begun_late_while_the_model_has_no_room() -> None:
    stream = Stream(options=FINALS)
    stream.engine.is_full = True
    await stream.all()
    assert stream.engine.asked[0] - TALK.words[3].end / SAMPLE_RATE >= 0.8


async def test_a_final_begun_too_early_is_thrown_away() -> None:
    script = Script.of(4, 6, pause_seconds=0.6)
    stream = Stream(script, FINALS)
    (final,) = finals(await stream.all())
    assert text(final) == script.text
    assert len(stream.engine.windows) >= 2


async def test_a_final_that_is_thrown_away_fixes_no_language() -> None:
    stream = Stream(Script.of(4, 6, pause_seconds=0.6), FINALS)
    stream.engine.languages = [LanguageFound("ko"), LanguageFound("en")]
    (final,) = finals(await stream.all())
    assert final.language.language == "en"


async def test_no_more_is_made_when_speech_goes_on_after_a_failed_early_final() -> None:
    stream = Stream(Script.of(4, 6, pause_seconds=0.6), FINALS)
    stream.engine.error = RowExpiredError("too late")
    with pytest.raises(RowExpiredError):
        await stream.all()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_end_of_the_audio_ends_the_running_utterance() -> None:
    script = Script.of(3)
    stream = Stream(Script(script.words, script.words[-1].end + SAMPLE_RATE // 10))
    *_, last = await stream.all()
    assert isinstance(last, Final)
    assert text(last) == script.text


async def test_no_sample_of_an_utterance_is_lost_at_the_end_of_the_audio() -> None:
    script = Script.of(3)
    stream = Stream(Script(script.words, script.words[-1].end), FINALS)
    (final,) = await stream.all()
    assert isinstance(final, Final)
    assert text(final) == script.text


async def test_silence_says_nothing_and_asks_nothing() -> None:
    stream = Stream(Script([], 10 * SAMPLE_RATE))
    assert await stream.all() == []
    assert stream.engine.windows == []


async def test_an_empty_stream_says_nothing() -> None:
    assert await Stream(Script([], 0)).all() == []


async def test_what_only_sounds_like_speech_has_no_final() -> None:
    stream = Stream(options=FINALS)
    stream.engine.deaf_windows = 1_000
    assert await stream.all() == []
    assert len(stream.engine.windows) == 3


async def test_an_interim_that_turns_out_to_be_nothing_is_ended_by_an_empty_final() -> None:
    stream = Stream(Script.of(6))
    live = stream.updates()
    assert isinstance(await anext(live), Interim)
    stream.engine.deaf_windows = 1_000
    *_, last = [update async for update in live]
    assert isinstance(last, Final)
    assert last.segments == ()


async def test_the_language_of_the_first_utterance_is_kept() -> None:
    stream = Stream()
    stream.engine.language = korean = LanguageFound("ko", 0.8, (("ko", 0.8), ("en", 0.2)))
    live = stream.updates()
    told = []
    async for update in live:
        told.append(update)
        if isinstance(update, Final):
            stream.engine.language = LanguageFound("en", 0.9)
    assert [final.language for final in finals(told)] == [korean] * 3
    given = [window.instructions.language for window in stream.engine.windows]
    assert set(given) == {None, "ko"}
    assert given == sorted(given, key=lambda language: language is not None), "first none, then the one that was found"


async def test_an_utterance_in_which_nothing_is_said_fixes_no_language() -> None:
    stream = Stream(options=FINALS)
    stream.engine.deaf_windows = 1
    await stream.all()
    assert [window.instructions.language for window in stream.engine.windows] == [None, None, "en"]


async def test_the_language_is_found_anew_for_each_utterance_when_there_may_be_several() -> None:
    stream = Stream(multilingual=True)
    await stream.all()
    assert {window.instructions.language for window in stream.engine.windows} == {None}
    assert all(window.instructions.multilingual for window in stream.engine.windows)


async def test_a_language_that_is_given_is_used_from_the_start() -> None:
    stream = Stream(language="ko")
    updates = await stream.all()
    assert {window.instructions.language for window in stream.engine.windows} == {"ko"}
    assert finals(updates)[0].language == LanguageFound("ko")
