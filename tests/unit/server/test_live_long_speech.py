"""Speech without a pause is cut where two transcripts agree, or where it is quiet."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.unit.server.live_speech import Script
from tests.unit.server.live_streams import FINALS, INTERIMS, Stream, finals, text
from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.engine.schedule.rows import RowClass
from whisper_server.live.interface import Final, LiveOptions

pytestmark = pytest.mark.slow


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
