"""Both plans write what faster-whisper writes."""

import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper import BatchedInferencePipeline, WhisperModel

from tests.support.models import spoken_text
from tests.unit.server.engines import (
    DEVICE,
    ENGLISH,
    GREEDY,
    KOREAN,
    engine,
    model,
    notes,
    recording,
    recordings,
    text_of,
    transcribe,
)
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.engine.interface import Segment, Transcription
from whisper_server.engine.options import Context, DecodingOptions, Plan, VadOptions
from whisper_server.engine.sequential import bounded
from whisper_server.engine.whisper import WhisperEngine
from whisper_server.errors import InvalidRequestError

__all__ = ["engine", "model", "notes"]

AT_0 = DecodingOptions(temperatures=(0.0,))
PAUSES = (0.0, 0.1, 0.7, 2.0, 5.0)


def long(names: list[str]) -> Samples:
    """Return recordings with pauses of many lengths between them, more than fits a window."""
    return np.concatenate([recordings([name], PAUSES[place % 5]) for place, name in enumerate(names)])


@functools.cache
def long_english() -> Samples:
    return long(ENGLISH * 2)


@functools.cache
def long_korean() -> Samples:
    return long(KOREAN * 2)


@functools.cache
def gap() -> Samples:
    """Return two sentences, and half a minute between them in which nobody speaks."""
    return np.concatenate([recordings([ENGLISH[2]], 31), recording(ENGLISH[4])])


@pytest.fixture(scope="session")
def reference(published_artifact: Path) -> WhisperModel:
    """faster-whisper on the same model."""
    return WhisperModel(str(published_artifact), device=DEVICE, cpu_threads=1)


def assert_equal(ours: Transcription, theirs: Any, seconds: float = 0.02) -> None:
    """Compare texts, and times up to `seconds`."""
    expected = [segment for segment in theirs if segment.text.strip()]
    assert [segment.text for segment in ours.segments] == [segment.text for segment in expected]
    for segment, other in zip(ours.segments, expected, strict=True):
        assert [word.text for word in segment.words] == [word.word for word in other.words or ()]
        # Words of no length at the end of a window: faster-whisper tells them behind the pause that follows it.
        squeezed = sum(word.start == word.end == segment.end for word in segment.words)
        count = len(segment.words) - squeezed
        told = [(word.start, word.end) for word in other.words or ()][:count]
        assert np.array(_times(segment)[:count]) == pytest.approx(np.array(told), abs=seconds + 1e-6)
        assert segment.start == pytest.approx(other.start, abs=seconds + 1e-6)
        assert squeezed or segment.end == pytest.approx(other.end, abs=seconds + 1e-6)
        assert segment.mean_log_probability == pytest.approx(other.avg_logprob, abs=1e-4)
        assert segment.no_speech_probability == pytest.approx(other.no_speech_prob, abs=1e-4)
        assert segment.compression_ratio == pytest.approx(other.compression_ratio)


def _times(segment: Segment) -> list[tuple[float, float]]:
    return [(word.start, word.end) for word in segment.words]


@pytest.mark.slow
async def test_independent_windows_say_what_the_batched_pipeline_says(
    engine: WhisperEngine, reference: WhisperModel
) -> None:
    for name in ENGLISH + KOREAN:
        samples, language = recording(name), name[:2]
        decoding = AT_0 if name == ENGLISH[2] else GREEDY
        theirs, _ = BatchedInferencePipeline(reference).transcribe(
            samples,
            batch_size=1,
            language=language,
            temperature=0,
            beam_size=decoding.beam_size,
            word_timestamps=True,
        )
        assert_equal(await transcribe(engine, samples, language=language, word_times=True, decoding=decoding), theirs)


@pytest.mark.parametrize(
    ("spoken", "context", "timestamps"),
    [
        (long_english, Context(), False),
        (long_korean, Context(), False),
        (gap, Context(initial_prompt="Open the window.", hotwords="radio"), False),
        (long_english, Context(), True),
    ],
    ids=["plain", "Korean", "prompted", "timestamps"],
)
async def test_long_recordings_say_what_the_batched_pipeline_says(
    engine: WhisperEngine, reference: WhisperModel, spoken: Callable[[], Samples], context: Context, *, timestamps: bool
) -> None:
    samples, language = spoken(), "ko" if spoken is long_korean else "en"
    decoding = replace(GREEDY, timestamps=timestamps)
    ours = await transcribe(
        engine, samples, language=language, word_times=not timestamps, context=context, decoding=decoding
    )
    theirs, _ = BatchedInferencePipeline(reference).transcribe(
        samples,
        batch_size=1,
        language=language,
        temperature=0,
        beam_size=1,
        word_timestamps=not timestamps,
        without_timestamps=not timestamps,
        initial_prompt=context.initial_prompt,
        hotwords=context.hotwords,
    )
    if timestamps:  # What faster-whisper loses behind the last pair of times is kept here.
        said = "".join(segment.text for segment in ours.segments)
        assert all(segment.text in said for segment in theirs)
    else:
        assert_equal(ours, theirs)


async def test_text_behind_the_last_pair_of_times_is_kept_and_has_its_words(
    engine: WhisperEngine, reference: WhisperModel
) -> None:
    """The model is kept from writing the time at which the second sentence ends."""
    samples = recordings([ENGLISH[2], ENGLISH[4]], 0.7)
    decoding = replace(GREEDY, timestamps=True, max_new_tokens=13)
    ours = await transcribe(engine, samples, language="en", vad=None, word_times=True, decoding=decoding)
    first, tail = ours.segments
    assert tail.text == " Open the green"
    assert "".join(word.text for word in tail.words) == tail.text
    assert tail.words[-1].end <= len(samples) / SAMPLE_RATE + 0.1
    theirs, _ = BatchedInferencePipeline(reference).transcribe(
        samples,
        batch_size=1,
        language="en",
        temperature=0,
        beam_size=1,
        without_timestamps=False,
        max_new_tokens=13,
        vad_filter=False,
        clip_timestamps=[{"start": 0, "end": len(samples) / SAMPLE_RATE}],
    )
    assert [segment.text for segment in theirs] == [first.text], "faster-whisper loses it"


SEQUENTIAL: dict[str, dict[str, Any]] = {
    "times": {"decoding": replace(GREEDY, timestamps=True)},
    "no times": {"decoding": GREEDY},
    "a beam": {"decoding": replace(AT_0, timestamps=True)},
    "everything heard": {"decoding": replace(GREEDY, timestamps=True), "vad": None},
    "a prompt": {
        "decoding": replace(GREEDY, timestamps=True),
        "context": Context(initial_prompt=" Open the door ", hotwords="radio"),
    },
    "a prefix": {"decoding": replace(GREEDY, timestamps=True), "context": Context(prefix="Three")},
    "no conditions": {"decoding": replace(GREEDY, timestamps=True, condition_on_previous_text=False)},
    "each its language": {"decoding": replace(GREEDY, timestamps=True), "multilingual": True},
    "silence left out": {
        "decoding": replace(GREEDY, timestamps=True, no_speech_threshold=0.0, log_prob_threshold=-0.5),
        "vad": None,
    },
    "nothing imagined": {
        "decoding": replace(GREEDY, timestamps=True, hallucination_silence_threshold=0.5),
        "vad": None,
    },
}


@pytest.mark.parametrize("case", SEQUENTIAL)
async def test_the_sequential_plan_says_what_whisper_model_says(
    engine: WhisperEngine, reference: WhisperModel, case: str
) -> None:
    samples = long_english() if case == "times" else gap()
    asked: dict[str, Any] = {"vad": VadOptions(), "context": Context(), "multilingual": False} | SEQUENTIAL[case]
    decoding, context, vad = asked["decoding"], asked["context"], asked["vad"]
    ours = await transcribe(engine, samples, language="en", word_times=True, plan=Plan.SEQUENTIAL, **asked)
    theirs, _ = reference.transcribe(
        samples,
        language="en",
        temperature=0,
        beam_size=decoding.beam_size,
        word_timestamps=True,
        without_timestamps=not decoding.timestamps,
        condition_on_previous_text=decoding.condition_on_previous_text,
        hallucination_silence_threshold=decoding.hallucination_silence_threshold,
        no_speech_threshold=decoding.no_speech_threshold,
        log_prob_threshold=decoding.log_prob_threshold,
        initial_prompt=context.initial_prompt,
        prefix=context.prefix,
        hotwords=context.hotwords,
        multilingual=asked["multilingual"],
        vad_filter=vad is not None,
        vad_parameters=None if vad is None else asdict(vad),
    )
    assert_equal(ours, theirs)
    assert (text_of(ours) == spoken_text(ENGLISH[2])) is (case == "silence left out")


async def test_the_sequential_plan_finds_the_language_that_whisper_model_finds(
    engine: WhisperEngine, reference: WhisperModel
) -> None:
    samples = recording(KOREAN[0])
    heard = await transcribe(engine, samples, plan=Plan.SEQUENTIAL, decoding=replace(GREEDY, timestamps=True))
    _, info = reference.transcribe(samples, vad_filter=True, vad_parameters=asdict(VadOptions()))
    assert heard.language.language == info.language == "ko"
    assert heard.language.probability == pytest.approx(info.language_probability, abs=1e-3)


async def test_silence_says_nothing_in_the_sequential_plan(engine: WhisperEngine) -> None:
    heard = await transcribe(engine, np.zeros(SAMPLE_RATE, np.float32), plan=Plan.SEQUENTIAL, decoding=GREEDY)
    assert heard.segments == ()
    assert heard.language.probability == 0


async def test_the_sequential_plan_takes_two_hours_and_no_more() -> None:
    async def minutes(count: int) -> AsyncIterator[Samples]:
        for _ in range(count):
            yield np.zeros(60 * SAMPLE_RATE, np.float32)

    assert len([block async for block in bounded(minutes(120))]) == 120
    with pytest.raises(InvalidRequestError, match="the sequential plan takes at most 2 hours of audio"):
        assert [block async for block in bounded(minutes(121))]
