"""One batch through the real model: what shares it changes nothing."""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.models import spoken_text
from tests.unit.server.engines import ENGLISH, GREEDY, KOREAN, SETTINGS, model, recording, recordings
from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.engine.features import sounding_frames, window_features
from whisper_server.engine.loading import LoadedModel, load_model
from whisper_server.engine.options import DecodingOptions, Task
from whisper_server.engine.payloads import Align, Detect, Write, Written
from whisper_server.engine.prompts import Before, make_key, make_prompt
from whisper_server.engine.runner import WhisperRunner, as_runner_error, uneven_frames
from whisper_server.engine.schedule.errors import BatchTooLargeError, BrokenRunnerError
from whisper_server.errors import InvalidRequestError

__all__ = ["model"]

BEAM = DecodingOptions(temperatures=(0.0,))


@functools.cache
def twelve() -> tuple[tuple[Samples, str], ...]:
    """Return windows with texts of very different lengths, and their languages."""
    return (
        *((recording(name), "en") for name in ENGLISH),
        *((recording(name), "ko") for name in KOREAN),
        (recordings(ENGLISH * 2)[: 14 * SAMPLE_RATE], "en"),
        (recordings(ENGLISH[2:] * 3)[: 14 * SAMPLE_RATE], "en"),
    )


def row(
    model: LoadedModel,
    samples: Samples,
    language: str | None,
    decoding: DecodingOptions = BEAM,
    *,
    task: Task = Task.TRANSCRIBE,
    word_times: bool = True,
    full: bool = False,
) -> Write:
    """Return the work on a window; `full`: with all of the 30 s taken for sound."""
    prompt = make_prompt(model.vocabulary, Before(), language or "en", task, timestamps=decoding.timestamps)
    return Write(
        features=window_features(model.extractor, samples),
        frames=3000 if full else sounding_frames(len(samples) / SAMPLE_RATE),
        key=make_key(model.vocabulary, decoding, prompt, decoding.temperatures[0]),
        prompt=prompt.tokens,
        language=language,
        task=task,
        word_times=word_times,
        keep_tail=True,
        thresholds=None,
    )


def run(model: LoadedModel, rows: Sequence[Write]) -> list[Written]:
    results = WhisperRunner(model.whisper, model.vocabulary).run(rows)
    return [result for result in results if isinstance(result, Written)]


def text(model: LoadedModel, written: Written) -> str:
    return model.vocabulary.decode(written.hypotheses[0].tokens).strip()


@pytest.fixture(scope="module")
def int8_model(published_artifact: Path) -> LoadedModel:
    return load_model(published_artifact, replace(SETTINGS, compute_types=("int8",)))


@pytest.mark.slow
@pytest.mark.parametrize(("arithmetic", "full"), [("float32", True), ("int8", False)])
def test_twelve_windows_have_the_same_words_at_the_same_times_alone_and_together(
    model: LoadedModel, int8_model: LoadedModel, arithmetic: str, *, full: bool
) -> None:
    """Once with all frames equal, which shifts words by seconds if nothing is done, and once with their own."""
    used = model if arithmetic == "float32" else int8_model
    rows = [row(used, samples, language, GREEDY, full=full) for samples, language in twelve()]
    together = run(used, rows)
    alone = [run(used, [each])[0] for each in rows]
    assert [text(used, written) for written in together] == [text(used, written) for written in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.alignment is not None
        assert other.alignment is not None
        assert np.abs(begins(one.alignment.pairs) - begins(other.alignment.pairs)).max() <= 1, "in steps of 20 ms"


def begins(pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the step at which each token begins."""
    return np.array([next(steps)[1] for _, steps in itertools.groupby(pairs, key=lambda pair: pair[0])])


def test_a_beam_search_writes_the_same_alone_and_together(model: LoadedModel) -> None:
    rows = [row(model, samples, language, word_times=False) for samples, language in twelve()[:10:2]]
    together = run(model, rows)
    assert [text(model, written) for written in together] == [spoken_text(name) for name in (ENGLISH + KOREAN)[::2]]
    assert [written.hypotheses[0].tokens for written in together] == [
        run(model, [each])[0].hypotheses[0].tokens for each in rows
    ]


def test_rows_of_one_batch_may_differ_in_language_and_task_and_know_them_or_not(model: LoadedModel) -> None:
    names = ["ko-01.flac", "en-04.flac", "ko-01.flac", "en-00.flac", "ko-03.flac"]
    languages = ["ko", None, "ko", "en", None]
    tasks = [Task.TRANSCRIBE, Task.TRANSCRIBE, Task.TRANSLATE, Task.TRANSCRIBE, Task.TRANSCRIBE]
    rows = [
        row(model, recording(name), language, task=task)
        for name, language, task in zip(names, languages, tasks, strict=True)
    ]
    results = run(model, rows)
    assert [written.language for written in results] == ["ko", "en", "ko", "en", "ko"]
    assert [bool(written.languages) for written in results] == [False, True, False, False, True]
    said = [spoken_text(name) for name in names]
    said[2] = spoken_text("ko-01.flac", "english")
    assert [text(model, written) for written in results] == said
    alone = [run(model, [each])[0] for each in rows]
    assert [written.alignment for written in results] == [written.alignment for written in alone]


def test_text_that_was_written_before_can_be_aligned(model: LoadedModel) -> None:
    (written,) = run(model, [row(model, recording("en-02.flac"), "en")])
    assert written.alignment is not None
    align = Align(
        window_features(model.extractor, recording("en-02.flac")), 400, "en", Task.TRANSCRIBE, written.alignment.tokens
    )
    assert WhisperRunner(model.whisper, model.vocabulary).run([align]) == [written.alignment]


def test_languages_are_told_with_their_probabilities(model: LoadedModel) -> None:
    rows = [Detect(window_features(model.extractor, recording(name))) for name in ("ko-00.flac", "en-00.flac")]
    found = WhisperRunner(model.whisper, model.vocabulary).run(rows)
    assert [languages[0][0] for languages in found if isinstance(languages, tuple)] == ["ko", "en"]


def test_an_argument_that_the_model_refuses_is_the_request_s_fault(model: LoadedModel) -> None:
    bad = row(model, recording("en-01.flac"), "en", DecodingOptions(beam_size=2, temperatures=(0.0,)))
    bad = replace(bad, key=replace(bad.key, hypotheses=3))
    with pytest.raises(InvalidRequestError, match="the model cannot do that: "):
        run(model, [bad])


def test_only_equal_frames_of_unequal_texts_are_changed() -> None:
    assert uneven_frames([300, 300, 300], [5, 2, 7]) == [300, 298, 300]
    assert uneven_frames([300, 400], [5, 2]) == [300, 400]
    assert uneven_frames([300, 300], [5, 5]) == [300, 300]
    assert uneven_frames([300], [5]) == [300]


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("CUDA failed with error out of memory", BatchTooLargeError),
        ("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED", BatchTooLargeError),
        ("parallel_for failed: cudaErrorMemoryAllocation: out of memory", BatchTooLargeError),
        ("CUDA failed with error an illegal memory access was encountered", BrokenRunnerError),
        ("cuBLAS failed with status CUBLAS_STATUS_EXECUTION_FAILED", BrokenRunnerError),
        ("Invalid input features shape", RuntimeError),
    ],
)
def test_errors_of_the_device_are_told_apart(said: str, meaning: type[Exception]) -> None:
    assert type(as_runner_error(RuntimeError(said))) is meaning


class FullMemory:
    """A model on a machine without memory."""

    def encode(self, _features: object) -> None:
        raise MemoryError


def test_a_machine_without_memory_for_a_batch_is_asked_for_smaller_ones(model: LoadedModel) -> None:
    work = row(model, recording("en-01.flac"), "en", GREEDY)
    with pytest.raises(BatchTooLargeError, match="no memory for 2 windows"):
        WhisperRunner(FullMemory(), model.vocabulary).run([work, work])
