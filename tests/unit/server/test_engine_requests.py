"""What requests may ask of the engine beside plain text, and how they share it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest

from tests.support.models import spoken_text
from tests.unit.server.engines import (
    ENGLISH,
    GREEDY,
    KOREAN,
    SETTINGS,
    Notes,
    blocks,
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
from whisper_server.engine.interface import Caller, LanguageFound, TranscriptionRequest, WindowRequest
from whisper_server.engine.loading import LoadedModel
from whisper_server.engine.options import Context, DecodingOptions, Instructions
from whisper_server.engine.schedule.errors import QueueFullError, RowExpiredError
from whisper_server.engine.schedule.rows import RowClass, ScheduleSettings
from whisper_server.engine.whisper import WhisperEngine
from whisper_server.operations.engine_metrics import EngineMetrics
from whisper_server.operations.metrics import Metrics

__all__ = ["engine", "model", "notes"]

#: Nothing passes: the sum of log probabilities is never above 0.
NEVER = DecodingOptions(beam_size=1, best_of=2, temperatures=(0.0, 0.2, 0.4), log_prob_threshold=0.0)


def half_minutes(*names: str) -> Samples:
    """Return recordings, each filled up with silence to the length of a window."""
    return np.concatenate([np.pad(recording(name), (0, 30 * SAMPLE_RATE - len(recording(name)))) for name in names])


def whole(samples: Samples, language: str | None = "en", decoding: DecodingOptions = GREEDY) -> WindowRequest:
    window = Window(samples, (Piece(0, 0, len(samples)),))
    return WindowRequest(window, Instructions(language=language, decoding=decoding), Caller(object()))


async def test_text_that_does_not_pass_is_tried_at_every_temperature(engine: WhisperEngine, notes: Notes) -> None:
    heard = await transcribe(engine, recording("en-02.flac"), language="en", decoding=NEVER, word_times=True)
    assert notes.batches == [1] * 4, "three attempts, and the words of the best"
    assert notes.fallbacks == 2
    (segment,) = heard.segments
    assert segment.temperature == 0.4
    assert "".join(word.text for word in segment.words) == segment.text
    assert segment.words[-1].end <= 3.2


async def test_text_that_passes_is_tried_once(engine: WhisperEngine, notes: Notes) -> None:
    decoding = replace(NEVER, log_prob_threshold=-1.0)
    heard = await transcribe(engine, recording("en-02.flac"), decoding=decoding, word_times=True)
    assert (notes.batches, notes.fallbacks) == ([1], 0)
    assert heard.segments[0].temperature == 0


async def test_the_language_found_first_stays_with_the_text_that_is_taken(engine: WhisperEngine) -> None:
    heard = await transcribe(engine, recording("ko-01.flac"), decoding=NEVER)
    assert heard.language.language == "ko"
    assert sum(probability for _, probability in heard.language.probabilities) == pytest.approx(1, abs=1e-3)


async def test_silence_is_left_out_where_texts_are_judged(engine: WhisperEngine) -> None:
    """The thresholds are such that all counts as silence."""
    silent = replace(NEVER, no_speech_threshold=0.0)
    assert (await transcribe(engine, recording("en-02.flac"), language="en", decoding=silent)).segments == ()
    unjudged = replace(silent, temperatures=(0.0,))
    heard = await transcribe(engine, recording("en-02.flac"), language="en", decoding=unjudged)
    assert text_of(heard) == spoken_text("en-02.flac")


async def test_alternatives_are_further_hypotheses_best_first(engine: WhisperEngine) -> None:
    decoding = DecodingOptions(beam_size=3, alternatives=3, temperatures=(0.0,))
    (segment,) = (await transcribe(engine, recording("en-02.flac"), language="en", decoding=decoding)).segments
    assert segment.text.strip() == spoken_text("en-02.flac")
    assert len(segment.alternatives) == 2
    texts = [segment.text, *(alternative.text for alternative in segment.alternatives)]
    assert len(set(texts)) == 3


async def test_no_more_tokens_are_written_than_asked_for(engine: WhisperEngine) -> None:
    heard = await transcribe(engine, recording("en-02.flac"), language="en", decoding=replace(GREEDY, max_new_tokens=3))
    assert heard.segments[0].tokens - 1 == 3


async def test_a_recording_s_language_is_fixed_on_its_first_window(engine: WhisperEngine, notes: Notes) -> None:
    samples = half_minutes("en-02.flac", "ko-01.flac", "en-04.flac")
    heard = await transcribe(engine, samples, vad=None, decoding=GREEDY)
    assert heard.language.language == "en"
    assert {segment.language for segment in heard.segments} == {"en"}
    assert notes.batches[0] == 1, "the others wait for it"


async def test_a_multilingual_recording_has_a_language_for_each_window(engine: WhisperEngine) -> None:
    samples = half_minutes("en-02.flac", "ko-01.flac", "en-04.flac")
    heard = await transcribe(engine, samples, vad=None, decoding=GREEDY, multilingual=True)
    assert [segment.language for segment in heard.segments] == ["en", "ko", "en"]
    assert heard.segments[1].text.strip() == spoken_text("ko-01.flac")


async def test_a_prefix_begins_the_first_window_and_no_other(engine: WhisperEngine) -> None:
    samples = half_minutes("en-02.flac", "en-02.flac")
    context = Context(prefix="Open the")
    heard = await transcribe(engine, samples, language="en", vad=None, decoding=GREEDY, context=context)
    first, second = (segment.text.strip() for segment in heard.segments)
    assert first.startswith("Open the ")
    assert second == spoken_text("en-02.flac")


async def test_requests_that_share_batches_say_what_they_say_alone(engine: WhisperEngine, notes: Notes) -> None:
    names = ENGLISH + KOREAN
    together = await asyncio.gather(
        *(transcribe(engine, recording(name), language=name[:2], decoding=GREEDY) for name in names)
    )
    assert [text_of(heard) for heard in together] == [spoken_text(name) for name in names]
    assert max(notes.batches) > 1


async def test_segments_come_as_they_are_heard(engine: WhisperEngine) -> None:
    """The end of the recording is not sent before its beginning has been told."""
    told = asyncio.Event()

    async def sent() -> AsyncIterator[Samples]:
        yield half_minutes("en-02.flac")
        await asyncio.wait_for(told.wait(), 240)
        yield half_minutes("en-04.flac")

    instructions = Instructions(language="en", vad=None, decoding=GREEDY)
    updates = engine.transcribe(TranscriptionRequest(sent(), instructions, Caller(object())))
    assert await anext(updates) == LanguageFound("en")
    assert getattr(await anext(updates), "text", "").strip() == spoken_text("en-02.flac")
    told.set()
    assert getattr(await anext(updates), "text", "").strip() == spoken_text("en-04.flac")
    await updates.aclose()


async def test_the_language_of_a_window_is_told_with_all_probabilities(engine: WhisperEngine) -> None:
    found = await engine.detect_language(whole(recording("ko-00.flac"), None))
    assert found.language == "ko"
    assert found.probability == found.probabilities[0][1] > 0.5
    assert len(found.probabilities) == 99


async def test_a_request_that_expires_is_told_so(engine: WhisperEngine) -> None:
    request = whole(recording("en-02.flac"))
    late = replace(request, caller=Caller(object(), deadline=time.monotonic() - 1))
    with pytest.raises(RowExpiredError):
        await engine.hear(late)


async def test_a_full_queue_refuses_what_has_not_begun_and_nothing_else(model: LoadedModel, notes: Notes) -> None:
    schedule = ScheduleSettings(max_batch=1, max_queued_windows=1, workers=1)
    async with running(model, replace(SETTINGS, schedule=schedule), notes) as engine:
        assert not engine.full
        begun = asyncio.create_task(
            transcribe(engine, recordings(ENGLISH * 6), language="en", vad=None, decoding=GREEDY)
        )
        await until(lambda: engine.full)
        with pytest.raises(QueueFullError):
            await engine.hear(whole(recording("en-01.flac")))
        partial = replace(whole(recording("en-01.flac")), row_class=RowClass.FINAL, admitted=True)
        assert (await engine.hear(partial)).segments
        assert len((await begun).segments) > 2, "windows of a request that has begun are let in"


async def test_metrics_tell_what_the_real_engine_does(model: LoadedModel) -> None:
    metrics = Metrics()
    async with running(model, SETTINGS, EngineMetrics(metrics)) as engine:
        await transcribe(engine, recording("en-02.flac"), language="en", decoding=replace(NEVER, temperatures=(0, 0.2)))
    value = metrics.registry.get_sample_value
    assert (value("whisper_server_inference_seconds_sum") or 0) > 0
    assert value("whisper_server_queue_wait_seconds_count") == 2
    assert value("whisper_server_batch_windows_sum") == 2
    assert value("whisper_server_fallbacks_total") == 1
    assert value("whisper_server_queue_depth") == 0


async def test_a_closed_stream_of_blocks_is_all_that_a_request_needs(engine: WhisperEngine) -> None:
    request = TranscriptionRequest(blocks(np.zeros(0, np.float32)), Instructions(), Caller(object()))
    assert [update async for update in engine.transcribe(request)] == [LanguageFound("en", 0.0)]
