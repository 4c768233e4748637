"""Live streams with a model that hears a script: what is told, when, and what is asked of the model for it."""

import asyncio
import contextlib
import itertools
import resource
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.unit.server.live_speech import Script, ScriptedEngine, ScriptedProbabilities, Sender
from tests.unit.server.waiting import until
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.engine.interface import Caller, LanguageFound
from whisper_server.engine.options import FALLBACK_TEMPERATURES, DecodingOptions, Instructions
from whisper_server.engine.schedule.errors import QueueFullError, RowDroppedError, RowExpiredError
from whisper_server.engine.schedule.rows import RowClass
from whisper_server.errors import InvalidRequestError
from whisper_server.live.interface import Final, Interim, LiveOptions, LiveUpdate
from whisper_server.live.stream import BACKLOG_SECONDS, listen

TALK = Script.of(4, 6, 3)
INTERIMS = LiveOptions(interim_results=True)
FINALS = LiveOptions(interim_results=False)


class Stream:
    """A stream of a script's speech to a model that hears it, and all that makes it.

    Attributes:
        caller: for whom the model works.
    """

    def __init__(self, script: Script = TALK, options: LiveOptions = INTERIMS, **instructions: Any) -> None:
        self.probabilities = ScriptedProbabilities(script)
        self.engine = ScriptedEngine(script, self.probabilities.clock)
        self.sender = Sender(script, self.probabilities)
        self.caller = Caller("somebody")
        self._options = options
        self._instructions = Instructions(**instructions)

    def updates(self, blocks: AsyncIterator[Samples] | None = None) -> AsyncGenerator[LiveUpdate, None]:
        """Listen to `blocks`, or to what the sender sends as somebody who speaks."""
        return listen(
            self.engine,
            self.sender.in_step() if blocks is None else blocks,
            self._instructions,
            self._options,
            self.caller,
            probabilities=self.probabilities,
            clock=self.probabilities.clock,
        )

    async def all(self, blocks: AsyncIterator[Samples] | None = None) -> list[LiveUpdate]:
        """Listen to the end."""
        return [update async for update in self.updates(blocks)]


def finals(updates: list[LiveUpdate]) -> list[Final]:
    return [update for update in updates if isinstance(update, Final)]


def resident_bytes() -> int:
    """Return the memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def text(final: Final) -> str:
    return "".join(segment.text for segment in final.segments)


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


async def test_interims_tell_the_utterance_so_far_and_the_final_ends_it() -> None:
    updates = await Stream().all()
    ends = [place for place, update in enumerate(updates) if isinstance(update, Final)]
    assert len(ends) == 3
    begin = 0
    for end in ends:
        said = text(updates[end])  # type: ignore[arg-type]  # it is a final
        interims = updates[begin:end]
        assert len(interims) >= 2
        assert all(isinstance(interim, Interim) for interim in interims)
        for interim in interims:
            assert isinstance(interim, Interim)
            assert said.startswith(interim.text.removesuffix(" noise"))
            assert 0 <= interim.stability < 1
        begin = end + 1
    assert ends[-1] == len(updates) - 1


async def test_stability_is_the_share_of_words_that_two_transcripts_agree_on() -> None:
    updates = await Stream().all()
    told = [(update.text, update.stability) for update in updates[:3] if isinstance(update, Interim)]
    assert told[0] == (" w0 noise", 0)
    assert told[1] == (" w0 w1 noise", 1 / 3)


async def test_without_interim_results_only_finals_are_told_and_made() -> None:
    stream = Stream(options=FINALS)
    assert all(isinstance(update, Final) for update in await stream.all())
    assert {window.row_class for window in stream.engine.windows} == {RowClass.FINAL}


async def test_finals_are_decoded_with_all_care_and_let_in_first() -> None:
    decoding = DecodingOptions(beam_size=4, alternatives=2)
    stream = Stream(options=FINALS, decoding=decoding, word_times=True)
    await stream.all()
    for window in stream.engine.windows:
        assert window.instructions.decoding == decoding
        assert window.instructions.word_times
        assert window.admitted
        assert window.caller is stream.caller


async def test_partials_are_greedy_and_without_fallback() -> None:
    stream = Stream(decoding=DecodingOptions(beam_size=4, alternatives=2), word_times=True)
    await stream.all()
    partials = stream.engine.of_class(RowClass.PARTIAL)
    assert partials
    for window in partials:
        decoding = window.instructions.decoding
        assert (decoding.beam_size, decoding.alternatives) == (1, 1)
        assert decoding.temperatures == FALLBACK_TEMPERATURES[:1]
        assert not window.instructions.word_times
        assert not window.admitted


async def test_a_partial_is_made_every_half_second() -> None:
    stream = Stream(Script.of(12))
    await stream.all()
    ends = [window.window.pieces[0].start + window.window.pieces[0].length for window in stream.engine.windows[:-1]]
    between = [(later - earlier) / SAMPLE_RATE for earlier, later in itertools.pairwise(ends)]
    assert len(between) >= 8
    assert all(0.45 <= seconds <= 0.65 for seconds in between)


async def test_slow_partials_are_made_half_of_the_time_at_most() -> None:
    stream = Stream(Script.of(20))
    stream.engine.partial_seconds = 0.8
    await stream.all()
    asked = [
        time
        for time, window in zip(stream.engine.asked, stream.engine.windows, strict=True)
        if window.row_class is RowClass.PARTIAL
    ]
    between = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert len(between) >= 3
    assert all(1.55 <= seconds <= 2.2 for seconds in between)


async def test_one_partial_is_made_at_a_time_and_none_outlives_its_utterance() -> None:
    stream = Stream(Script.of(20, 20))
    stream.engine.partial_seconds = 1e9
    updates = await stream.all()
    assert [text(final).split()[-1] for final in finals(updates)] == ["w19", "w39"]
    assert len(updates) == 2
    assert len(stream.engine.of_class(RowClass.PARTIAL)) == stream.engine.given_up == 2


async def test_partials_that_are_never_done_are_begun_less_often() -> None:
    stream = Stream(Script.of(*[5] * 4, word_seconds=0.35, pause_seconds=1.0))
    stream.engine.partial_seconds = 1e9
    await stream.all()
    asked = [
        time
        for time, window in zip(stream.engine.asked, stream.engine.windows, strict=True)
        if window.row_class is RowClass.PARTIAL
    ]
    assert len(asked) >= 2
    assert all(later - earlier >= 3.5 for earlier, later in itertools.pairwise(asked)), "a phrase takes 3 s"


async def test_partials_are_left_out_while_the_model_has_no_room() -> None:
    stream = Stream()
    stream.engine.is_full = True
    updates = await stream.all()
    assert len(finals(updates)) == len(updates) == 3
    assert stream.engine.of_class(RowClass.PARTIAL) == []


@pytest.mark.parametrize("error", [QueueFullError("full"), RowDroppedError("dropped")])
async def test_a_partial_that_is_dropped_is_missed_by_nobody(error: Exception) -> None:
    stream = Stream()
    stream.engine.partials_error = error
    updates = await stream.all()
    assert len(finals(updates)) == len(updates) == 3
    assert len(stream.engine.of_class(RowClass.PARTIAL)) > 3


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


@pytest.mark.parametrize("options", [INTERIMS, FINALS], ids=["interims", "finals"])
async def test_speech_without_a_pause_is_cut_and_loses_no_word(options: LiveOptions) -> None:
    script = Script.of(150)
    stream = Stream(script, options)
    updates = await stream.all()
    assert "".join(text(final) for final in finals(updates)) == script.text
    assert len(finals(updates)) in {3, 4}
    assert all(window.window.seconds <= 26 for window in stream.engine.windows)


async def test_a_cut_is_made_at_the_last_agreed_word() -> None:
    """Two transcripts agree up to 22 s, where the earlier one ends; the words behind are carried over."""
    script = Script.of(100)
    first, *_ = finals(await Stream(script, FINALS).all())
    begin = script.words[0].start / SAMPLE_RATE - 0.4
    assert 21 <= first.segments[-1].end - begin <= 22.5


async def test_for_a_cut_two_partials_are_made_also_where_nobody_is_told() -> None:
    stream = Stream(Script.of(70), FINALS)
    updates = await stream.all()
    assert all(isinstance(update, Final) for update in updates)
    partials = stream.engine.of_class(RowClass.PARTIAL)
    assert [round(partial.window.seconds) for partial in partials] == [22, 24]
    assert all(partial.instructions.word_times for partial in partials)


async def test_a_cut_without_a_partial_is_made_in_a_quiet_moment() -> None:
    script = Script.of(150)
    stream = Stream(script)
    stream.engine.is_full = True
    updates = await stream.all()
    assert len(updates) == 4
    assert "".join(text(final) for final in finals(updates)) == script.text


async def test_noise_without_a_pause_goes_on_and_says_nothing() -> None:
    stream = Stream(Script.of(300), FINALS)
    stream.engine.deaf_windows = 1_000
    assert await stream.all() == []
    assert len(stream.engine.of_class(RowClass.FINAL)) >= 5


@hypothesis_settings(max_examples=15)
@given(
    st.lists(st.integers(1, 90), min_size=1, max_size=4),
    st.floats(0.15, 0.6),
    st.floats(0.2, 1.5),
    st.booleans(),
    st.sampled_from([1600, 5000, 40_000]),
)
async def test_no_word_is_lost_or_repeated_whatever_is_said(
    phrases: list[int],
    word_seconds: float,
    pause_seconds: float,
    interims: bool,  # noqa: FBT001
    block: int,
) -> None:
    script = Script.of(*phrases, word_seconds=word_seconds, pause_seconds=pause_seconds)
    stream = Stream(script, LiveOptions(interim_results=interims))
    stream.engine.time_error = 0.05
    stream.sender.block = block
    updates = await stream.all()
    assert "".join(text(final) for final in finals(updates)) == script.text


async def test_a_client_that_sends_faster_than_the_model_hears_has_to_wait() -> None:
    stream = Stream(Script.of(*[10] * 60), FINALS)
    stream.engine.gate.clear()
    live = asyncio.ensure_future(anext(stream.updates(stream.sender.at_once())))
    await until(lambda: stream.engine.windows)
    await asyncio.sleep(0.05)
    assert stream.sender.sent / SAMPLE_RATE <= stream.probabilities.clock() + BACKLOG_SECONDS + 2
    stream.engine.gate.set()
    assert isinstance(await live, Final)


async def test_a_client_that_takes_no_updates_is_not_listened_to() -> None:
    stream = Stream(Script.of(*[10] * 60), FINALS)
    live = stream.updates(stream.sender.at_once())
    await anext(live)
    await asyncio.sleep(0.05)
    assert len(stream.engine.windows) == 1
    assert stream.sender.sent / SAMPLE_RATE <= stream.probabilities.clock() + BACKLOG_SECONDS + 2
    await live.aclose()


async def test_an_hour_takes_no_more_memory_and_no_more_lag_than_some_minutes() -> None:
    """As fast as it goes: the hour is cut and paused hundreds of times."""
    script = Script.of(*[5, 80, 12, 3] * 60, word_seconds=0.5, pause_seconds=1.5)
    assert script.length >= 3600 * SAMPLE_RATE
    stream = Stream(script, FINALS)
    stream.sender.block = SAMPLE_RATE
    lags, held = [], []
    async for update in stream.updates(stream.sender.at_once()):
        assert isinstance(update, Final)
        stream.engine.windows.clear()
        lags.append(stream.sender.sent / SAMPLE_RATE - update.audio_seconds)
        held.append(resident_bytes())
    assert len(lags) == 300
    assert max(lags) <= BACKLOG_SECONDS + 2
    third = len(held) // 3
    assert max(held[-third:]) <= max(held[:third]) + 30_000_000, "the audio has 240 million bytes"


async def test_ending_the_iterator_ends_reading_and_the_model_s_work() -> None:
    stream = Stream(Script.of(*[10] * 60))
    stream.engine.partial_seconds = 1e9
    live = stream.updates()
    await anext(live)
    others = asyncio.all_tasks()
    assert len(others) > 1
    await live.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert stream.engine.given_up == len(stream.engine.of_class(RowClass.PARTIAL))


async def test_a_cancelled_consumer_takes_everything_with_it() -> None:
    stream = Stream(Script.of(*[10] * 60))
    stream.engine.gate.clear()
    listening = asyncio.create_task(stream.all())
    await until(lambda: stream.engine.of_class(RowClass.FINAL))
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert stream.engine.given_up == len(stream.engine.windows)


async def test_trouble_with_the_audio_is_raised_after_what_was_said_before() -> None:
    stream = Stream(options=FINALS)

    async def broken() -> AsyncIterator[Samples]:
        async for block in stream.sender.at_once():
            yield block
        raise InvalidRequestError("the rest is garbage")

    live = stream.updates(broken())
    for _ in range(3):
        assert isinstance(await anext(live), Final)
    with pytest.raises(InvalidRequestError, match="the rest is garbage"):
        await anext(live)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("error", [RowExpiredError("too late"), QueueFullError("full")])
async def test_a_final_that_cannot_be_made_ends_the_stream(error: Exception) -> None:
    stream = Stream(options=FINALS)
    stream.engine.error = error
    with pytest.raises(type(error)):
        await stream.all()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_partial_that_expires_ends_the_stream() -> None:
    stream = Stream()
    stream.engine.partials_error = RowExpiredError("too late")
    with pytest.raises(RowExpiredError):
        await stream.all()
