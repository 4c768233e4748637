"""Interims of a live stream, and the partial transcripts that they are made of."""

import itertools

import pytest

from tests.unit.server.live_speech import Script
from tests.unit.server.live_streams import FINALS, Stream, finals, text
from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.engine.options import FALLBACK_TEMPERATURES, DecodingOptions
from whisper_server.engine.schedule.errors import QueueFullError, RowDroppedError
from whisper_server.engine.schedule.rows import RowClass
from whisper_server.live.interface import Final, Interim


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
