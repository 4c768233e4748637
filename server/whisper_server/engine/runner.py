"""One batch through the model: encode, write, align."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np

from whisper_server.engine.encoded import Encoded
from whisper_server.engine.options import Task
from whisper_server.engine.payloads import (
    Align,
    Alignment,
    Detect,
    Features,
    Hypothesis,
    Languages,
    Payload,
    Result,
    Write,
    Written,
)
from whisper_server.engine.quality import Quality, compression_ratio, passes
from whisper_server.engine.schedule.errors import BatchTooLargeError, BrokenRunnerError
from whisper_server.engine.segments import kept_text
from whisper_server.engine.vocabulary import Vocabulary
from whisper_server.errors import InvalidRequestError

_T = TypeVar("_T")

#: What `align` counts in: two frames of features are one of the encoder's.
_FRAMES_PER_STEP = 2


@dataclass(frozen=True, slots=True)
class _Line:
    """Text of one window, to be aligned."""

    tokens: tuple[int, ...]
    frames: int
    language: str
    task: Task


class WhisperRunner:
    """Does what the payloads ask, all of one key, several batches at a time from as many threads."""

    def __init__(self, model: Any, vocabulary: Vocabulary) -> None:
        self._model = model
        self._vocabulary = vocabulary

    def run(self, payloads: Sequence[Payload]) -> Sequence[Result]:
        """Return one result for each of `payloads`, in order.

        Raises:
            BatchTooLargeError: when the device has no memory for so many.
            BrokenRunnerError: when the device will not work any more.
            InvalidRequestError: when the model refuses an argument.
        """
        try:
            return self._run(payloads)
        except MemoryError as error:
            raise BatchTooLargeError(f"no memory for {len(payloads)} windows") from error
        except RuntimeError as error:
            raise as_runner_error(error) from error
        except ValueError as error:
            raise InvalidRequestError(f"the model cannot do that: {error}") from error

    def _run(self, payloads: Sequence[Payload]) -> Sequence[Result]:
        match payloads[0]:
            case Write():
                return _sorted(cast("Sequence[Write]", payloads), _place, self._write)
            case Align():
                return _sorted(cast("Sequence[Align]", payloads), _place, self._align)
            case Detect():
                features = self._encode([payload.features for payload in payloads])
                return self._languages(features, 0, len(payloads))

    def _encode(self, features: Sequence[Features]) -> Encoded:
        return Encoded(self._model, np.stack(features))

    def _languages(self, encoded: Encoded, start: int, stop: int) -> list[Languages]:
        if start == stop:
            return []
        if not self._vocabulary.multilingual:
            return [(("en", 1.0),)] * (stop - start)
        found = self._model.detect_language(encoded.rows(start, stop))
        return [tuple((token[2:-2], probability) for token, probability in row) for row in found]

    def _write(self, rows: Sequence[Write]) -> list[Written]:
        encoded = self._encode([row.features for row in rows])
        unknown = sum(row.language is None for row in rows)  # They come first.
        found = [*self._languages(encoded, 0, unknown), *itertools.repeat((), len(rows) - unknown)]
        languages = [row.language or known[0][0] for row, known in zip(rows, found, strict=True)]
        texts = self._generate(encoded, rows, languages)
        lines = [
            self._line(row, language, *text) if row.word_times else None
            for row, language, text in zip(rows, languages, texts, strict=True)
        ]
        alignments = self._align_lines(encoded, lines)
        return [
            Written(language, known, *text, alignment)
            for language, known, text, alignment in zip(languages, found, texts, alignments, strict=True)
        ]

    def _generate(
        self, encoded: Encoded, rows: Sequence[Write], languages: Sequence[str]
    ) -> list[tuple[tuple[Hypothesis, ...], Quality]]:
        prompts = [self._prompt(row, language) for row, language in zip(rows, languages, strict=True)]
        key = rows[0].key
        results = self._model.generate(
            encoded.all(), prompts, return_scores=True, return_no_speech_prob=True, **key.arguments()
        )
        return [self._judged(result, key.length_penalty) for result in results]

    def _judged(self, result: Any, length_penalty: float) -> tuple[tuple[Hypothesis, ...], Quality]:
        hypotheses = tuple(
            Hypothesis(tuple(tokens), _mean_log_probability(score, len(tokens), length_penalty))
            for tokens, score in zip(result.sequences_ids, result.scores, strict=True)
        )
        best = hypotheses[0]
        ratio = compression_ratio(self._vocabulary.decode(best.tokens).strip())
        return hypotheses, Quality(ratio, best.mean_log_probability, result.no_speech_prob)

    def _prompt(self, row: Write, language: str) -> list[int]:
        prompt = list(row.prompt)
        if row.language is None and self._vocabulary.multilingual:
            prompt[row.key.start + 1] = self._vocabulary.language_token(language)
        return prompt

    def _line(self, row: Write, language: str, hypotheses: Sequence[Hypothesis], quality: Quality) -> _Line | None:
        """Return what to align of a row; None when the text does not pass, and another one will be tried."""
        if row.thresholds is not None and not passes(quality, row.thresholds):
            return None
        tokens = kept_text(hypotheses[0].tokens, self._vocabulary, keep_tail=row.keep_tail)
        return _Line(tokens, row.frames, language, row.task)

    def _align(self, rows: Sequence[Align]) -> list[Alignment]:
        lines = [_Line(row.tokens, row.frames, row.language, row.task) for row in rows]
        alignments = self._align_lines(self._encode([row.features for row in rows]), lines)
        return cast("list[Alignment]", alignments)

    def _align_lines(self, encoded: Encoded, lines: Sequence[_Line | None]) -> list[Alignment | None]:
        """Align neighbours of one language and task together: both are the same for a whole call."""
        alignments: list[Alignment | None] = []
        for start_sequence, group in itertools.groupby(lines, self._start_sequence):
            together = list(group)
            if start_sequence is None:
                alignments += [None] * len(together)
            else:
                rows = encoded.rows(len(alignments), len(alignments) + len(together))
                alignments += self._align_alike(rows, start_sequence, cast("list[_Line]", together))
        return alignments

    def _start_sequence(self, line: _Line | None) -> list[int] | None:
        return None if line is None else self._vocabulary.start_sequence(line.language, line.task)

    def _align_alike(self, rows: Any, start_sequence: list[int], lines: Sequence[_Line]) -> list[Alignment]:
        frames = uneven_frames([line.frames for line in lines], [len(line.tokens) for line in lines])
        results = self._model.align(rows, start_sequence, [list(line.tokens) for line in lines], frames)
        return [
            Alignment(line.tokens, tuple(result.alignments), tuple(result.text_token_probs))
            for line, result in zip(lines, results, strict=True)
        ]


def uneven_frames(frames: Sequence[int], lengths: Sequence[int]) -> list[int]:
    """Return `frames`, one of them lower by the least that counts where all are equal and the texts' lengths are not.

    With all frames equal CTranslate2 4.8 normalises the attention of the whole batch at once, padding of shorter
    texts included: their words shift, by seconds.
    """
    changed = list(frames)
    if len(set(frames)) == 1 and len(set(lengths)) > 1:
        shortest = min(range(len(lengths)), key=lambda place: lengths[place])
        changed[shortest] -= _FRAMES_PER_STEP
    return changed


def as_runner_error(error: RuntimeError) -> Exception:
    """Return what an error of CTranslate2 means for the rows to come: nothing, fewer at a time, or the end."""
    text = str(error)
    folded = text.casefold()
    if "out of memory" in folded or "alloc_failed" in folded or "bad_alloc" in folded or "memoryallocation" in folded:
        return BatchTooLargeError(text)
    if any(library in folded for library in ("cuda", "cublas", "cudnn", "nccl")):
        return BrokenRunnerError(text)
    return error


_P = TypeVar("_P", Write, Align)


def _place(row: Write | Align) -> tuple[str, str]:
    return (row.language or "", row.task.value)


def _sorted(rows: Sequence[_P], key: Callable[[_P], Any], work: Callable[[Sequence[_P]], Sequence[_T]]) -> Sequence[_T]:
    """Return what `work` makes of `rows` in the order of `key`, in the rows' own order."""
    order = sorted(range(len(rows)), key=lambda place: key(rows[place]))
    results = dict(zip(order, work([rows[place] for place in order]), strict=True))
    return [results[place] for place in range(len(rows))]


def _mean_log_probability(score: float, length: int, length_penalty: float) -> float:
    """Return the mean over the tokens and the end of text, from a score that was divided by the length's power."""
    return float(score * length**length_penalty / (length + 1))
