"""The real engine with the real small model."""

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.support.models import spoken_text
from tests.unit.server.engines import (
    ENGLISH,
    GREEDY,
    KOREAN,
    SETTINGS,
    Notes,
    engine,
    model,
    notes,
    recording,
    recordings,
    running,
    text_of,
    transcribe,
)
from tests.unit.server.waiting import until
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.audio.windows import Piece, Window
from whisper_server.engine.interface import Caller, EngineError, WindowRequest
from whisper_server.engine.loading import EngineSettings, LoadedModel
from whisper_server.engine.options import Context, Instructions, Task
from whisper_server.engine.schedule.errors import SchedulerClosedError
from whisper_server.engine.whisper import WhisperEngine
from whisper_server.warm_up import warm_up

__all__ = ["engine", "model", "notes"]


async def test_every_recording_is_transcribed_in_its_language(engine: WhisperEngine) -> None:
    for name in ENGLISH + KOREAN:
        heard = await transcribe(engine, recording(name), decoding=GREEDY)
        assert heard.language.language == name[:2]
        assert text_of(heard) == spoken_text(name)
        assert heard.segments[0].mean_log_probability < 0


async def test_korean_is_translated(engine: WhisperEngine) -> None:
    heard = await transcribe(engine, recording("ko-01.flac"), language="ko", task=Task.TRANSLATE)
    assert "".join(segment.text for segment in heard.segments).strip() == spoken_text("ko-01.flac", "english")


async def test_the_language_given_is_the_one_written(engine: WhisperEngine) -> None:
    heard = await transcribe(engine, recording("en-00.flac"), language="ko")
    assert heard.language.language == "ko"
    assert "".join(segment.text for segment in heard.segments).strip() != spoken_text("en-00.flac")


async def test_words_have_times_in_order_within_the_recording(engine: WhisperEngine) -> None:
    samples = recording("en-02.flac")
    heard = await transcribe(engine, samples, language="en", word_times=True)
    words = [word for segment in heard.segments for word in segment.words]
    assert "".join(word.text for word in words).strip() == spoken_text("en-02.flac")
    edges = [edge for word in words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= len(samples) / SAMPLE_RATE + 0.1
    assert all(0 < word.probability <= 1 for word in words)


async def test_a_window_s_words_have_the_times_of_the_recording(engine: WhisperEngine) -> None:
    samples = recording("en-02.flac")
    window = Window(samples, (Piece(0, 100 * SAMPLE_RATE, len(samples)),))
    heard = await engine.hear(WindowRequest(window, Instructions(language="en", word_times=True), Caller(object())))
    (segment,) = heard.segments
    assert segment.text.strip() == spoken_text("en-02.flac")
    assert 100 <= segment.words[0].start < segment.words[-1].end <= 100 + len(samples) / SAMPLE_RATE + 0.1


async def test_words_have_no_times_unless_asked_for(engine: WhisperEngine) -> None:
    heard = await transcribe(engine, recording("en-02.flac"))
    assert [segment.words for segment in heard.segments] == [()]


async def test_pauses_are_left_out_and_times_stay_those_of_the_recording(engine: WhisperEngine) -> None:
    pause = np.zeros(SAMPLE_RATE * 40, np.float32)
    samples = np.concatenate([recording("en-02.flac"), pause, recording("en-05.flac")])
    heard = await transcribe(engine, samples, language="en", word_times=True)
    words = [word for segment in heard.segments for word in segment.words]
    assert "".join(word.text for word in words if word.end < 20).strip() == spoken_text("en-02.flac")
    assert "".join(word.text for word in words if word.start > 40).strip() == spoken_text("en-05.flac")


async def test_long_speech_is_cut_into_windows(engine: WhisperEngine) -> None:
    samples = recordings(ENGLISH * 4)
    heard = await transcribe(engine, samples, language="en", decoding=GREEDY)
    assert len(heard.segments) > len(samples) / SAMPLE_RATE / 30
    assert all(segment.end - segment.start <= 30 for segment in heard.segments)
    starts = [segment.start for segment in heard.segments]
    assert starts == sorted(starts)


@pytest.mark.parametrize("samples", [np.zeros(SAMPLE_RATE * 2, np.float32), np.zeros(1, np.float32)])
async def test_silence_has_no_segments(engine: WhisperEngine, samples: Samples) -> None:
    assert (await transcribe(engine, samples)).segments == ()


async def test_hotwords_reach_the_model(engine: WhisperEngine) -> None:
    plain = await transcribe(engine, recording("en-02.flac"), language="en")
    hinted = await transcribe(engine, recording("en-02.flac"), language="en", context=Context(hotwords="radio"))
    assert plain.segments[0].mean_log_probability != hinted.segments[0].mean_log_probability


async def test_the_event_loop_is_free_while_the_model_works(engine: WhisperEngine) -> None:
    working = asyncio.create_task(transcribe(engine, recordings(ENGLISH * 2), language="en", decoding=GREEDY))
    turns = 0
    while not working.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 10
    assert (await working).segments


async def test_a_cancelled_request_leaves_the_queue_at_once_and_the_model_at_its_next_batch(
    engine: WhisperEngine, notes: Notes
) -> None:
    long = recordings(ENGLISH * 8)
    given_up = asyncio.create_task(transcribe(engine, long, language="en", decoding=GREEDY))
    await until(lambda: notes.batches)
    given_up.cancel()
    await asyncio.wait([given_up])
    ran = len(notes.batches)
    assert notes.depth == 0
    await transcribe(engine, recording("en-01.flac"), language="en", decoding=GREEDY)
    assert sum(notes.batches[ran:]) <= 1 + 4, "only what ran already, and the one asked for"


async def test_an_engine_that_is_closed_leaves_no_thread_and_says_so(model: LoadedModel, notes: Notes) -> None:
    before = set(threading.enumerate())
    async with running(model, SETTINGS, notes) as engine:
        await transcribe(engine, recording("en-01.flac"), language="en", decoding=GREEDY)
    with pytest.raises(SchedulerClosedError):
        await transcribe(engine, recording("en-01.flac"), language="en", decoding=GREEDY)
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not [name for name in left if name.startswith("whisper-")]


async def test_the_warm_up_clip_is_transcribed_with_word_times(engine: WhisperEngine) -> None:
    heard = await warm_up(engine, word_times=True)
    assert heard.segments[0].words


async def test_the_first_possible_compute_type_is_in_use(published_artifact: Path) -> None:
    settings = EngineSettings("auto", ("int8_float16", "int8", "float32"), 1)
    engine = await WhisperEngine.load(published_artifact, settings)
    await engine.close()
    assert (engine.device, engine.compute_type) in {("cpu", "int8_float32"), ("cpu", "int8"), ("cuda", "int8_float16")}


async def test_a_model_that_cannot_be_loaded_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="the model cannot be loaded on cpu as default: "):
        await WhisperEngine.load(tmp_path, EngineSettings("cpu"))
