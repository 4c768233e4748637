"""Live streams of recordings with the real small model: no worse than the whole recording at once.

The model is a poor listener where a window is full, so that it is held to what was said only where phrases are few.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest

from tests.support.models import spoken_text
from tests.unit.server.engines import ENGLISH, KOREAN, engine, model, notes, recordings, text_of, transcribe
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.engine.interface import Caller
from whisper_server.engine.options import Instructions
from whisper_server.engine.whisper import WhisperEngine
from whisper_server.live.agreement import normalize
from whisper_server.live.interface import Endpointing, Final, Interim, LiveOptions, LiveUpdate
from whisper_server.live.stream import listen

__all__ = ["engine", "model", "notes"]

CHUNK = SAMPLE_RATE // 10
WITHOUT_PAUSES = ENGLISH * 3


class Microphone:
    """Sends samples in chunks of 100 ms; the clock is that of what was sent."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._sent = 0

    def clock(self) -> float:
        return self._sent / SAMPLE_RATE

    async def chunks(self) -> AsyncIterator[Samples]:
        for start in range(0, len(self._samples), CHUNK):
            self._sent += CHUNK
            yield self._samples[start : start + CHUNK]


async def heard(engine: WhisperEngine, samples: Samples, options: LiveOptions, **instructions: Any) -> list[LiveUpdate]:
    """Listen to `samples`."""
    microphone = Microphone(samples)
    live = listen(
        engine,
        microphone.chunks(),
        Instructions(**instructions),
        options,
        Caller(object()),
        clock=microphone.clock,
    )
    return [update async for update in live]


def texts(updates: Sequence[LiveUpdate]) -> list[str]:
    """Return what the finals say."""
    finals = [update for update in updates if isinstance(update, Final)]
    return ["".join(segment.text for segment in final.segments).strip() for final in finals]


def word_error_rate(said: str, written: str) -> float:
    """Return the edits from one text to the other, by the words of the first."""
    reference, hypothesis = ([normalize(word) for word in text.split()] for text in (said, written))
    row = list(range(len(hypothesis) + 1))
    for word in reference:
        following = [row[0] + 1]
        for place, other in enumerate(hypothesis):
            following.append(min(row[place] + (word != other), row[place + 1] + 1, following[-1] + 1))
        row = following
    return row[-1] / len(reference)


@pytest.mark.parametrize("names", [ENGLISH, KOREAN], ids=["English", "Korean"])
async def test_recordings_between_pauses_are_heard_one_by_one(engine: WhisperEngine, names: list[str]) -> None:
    samples = recordings(names, pause=1.0)
    updates = await heard(engine, samples, LiveOptions(interim_results=True))
    assert texts(updates) == [spoken_text(name) for name in names]
    assert {update.language.language for update in updates if isinstance(update, Final)} == {names[0][:2]}


async def test_interims_are_told_while_the_client_says_nothing_more(engine: WhisperEngine) -> None:
    microphone = Microphone(recordings(ENGLISH[2:3], pause=1.0))
    told = asyncio.Event()

    async def hesitating() -> AsyncIterator[Samples]:
        async for chunk in microphone.chunks():
            yield chunk
            if microphone.clock() >= 2:
                await told.wait()

    options, caller = LiveOptions(interim_results=True), Caller(object())
    live = listen(engine, hesitating(), Instructions("en"), options, caller, clock=microphone.clock)
    interim = await anext(live)
    assert isinstance(interim, Interim)
    assert interim.text.startswith(" Close the")
    told.set()
    *_, final = [update async for update in live]
    assert texts([final]) == [spoken_text(ENGLISH[2])]


async def test_words_have_the_times_of_the_stream(engine: WhisperEngine) -> None:
    names = [ENGLISH[2], ENGLISH[5]]
    *_, last = await heard(engine, recordings(names, pause=20.0), LiveOptions(), language="en", word_times=True)
    assert isinstance(last, Final)
    begin = len(recordings(names[:1], pause=20.0)) / SAMPLE_RATE
    words = [word for segment in last.segments for word in segment.words]
    edges = [edge for word in words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert begin - 0.4 <= edges[0] < edges[-1] <= begin + 3, "what is heard begins 0.4 s before speech does"


async def test_silence_and_noise_say_nothing(engine: WhisperEngine) -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, 5 * SAMPLE_RATE).astype(np.float32)
    for samples in (np.zeros(5 * SAMPLE_RATE, np.float32), noise):
        assert await heard(engine, samples, LiveOptions(interim_results=True)) == []


@pytest.mark.slow
async def test_speech_without_pauses_is_heard_as_well_as_the_whole_recording(engine: WhisperEngine) -> None:
    samples, said = recordings(WITHOUT_PAUSES), " ".join(spoken_text(name) for name in WITHOUT_PAUSES)
    offline = word_error_rate(said, text_of(await transcribe(engine, samples, language="en")))
    finals = texts(await heard(engine, samples, LiveOptions(), language="en"))
    assert len(finals) >= 2
    assert word_error_rate(said, " ".join(finals)) <= offline + 0.01


@pytest.mark.slow
async def test_cuts_cost_few_words(engine: WhisperEngine) -> None:
    """Of few enough phrases for the model to hear them all: most that goes wrong would be the cuts' doing."""
    samples, said = recordings(WITHOUT_PAUSES), " ".join(spoken_text(name) for name in WITHOUT_PAUSES)
    options = LiveOptions(endpointing=Endpointing(max_utterance_seconds=8.0))
    finals = texts(await heard(engine, samples, options, language="en"))
    assert len(finals) >= 5
    assert word_error_rate(said, " ".join(finals)) <= 0.2, "the whole at once has twice as many"
