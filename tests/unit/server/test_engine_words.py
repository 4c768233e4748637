"""Words from alignments, and what is corrected of their times."""

from typing import Any

import pytest
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import merge_punctuations
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.server.engines import model
from whisper_server.engine.loading import LoadedModel
from whisper_server.engine.payloads import Alignment
from whisper_server.engine.segments import Cut
from whisper_server.engine.words import (
    AFTER_WORDS,
    BEFORE_WORDS,
    TimedWord,
    join_punctuation,
    time_segments,
    timed_words,
)

__all__ = ["model"]

TEXTS = st.lists(st.sampled_from([" one", " two", "three", " (", "-", " -", ".", ",", "。", ' "', "?"]), max_size=8)
#: How many steps of 20 ms each token takes: now and then a pause is given to a word.
STEPS = st.lists(st.integers(1, 20) | st.integers(30, 200), min_size=60, max_size=60)


@given(TEXTS)
def test_marks_join_the_words_that_faster_whisper_joins_them_to(texts: list[str]) -> None:
    theirs: list[dict[str, Any]] = [{"word": text, "tokens": [place]} for place, text in enumerate(texts)]
    merge_punctuations(theirs, BEFORE_WORDS, AFTER_WORDS)
    ours = [TimedWord(text, 1, 0, 1, 1) for text in texts]
    join_punctuation(ours)
    assert [(word.text, word.tokens) for word in ours] == [(word["word"], len(word["tokens"])) for word in theirs]


def path(tokens: int, steps: list[int]) -> tuple[tuple[int, int], ...]:
    """Return an alignment in which each token, and the end of text, takes so many steps."""
    pairs, step = [], 0
    for place in range(tokens + 1):
        pairs += [(place, step + more) for more in range(steps[place])]
        step += steps[place]
    return tuple(pairs)


class _Aligner(WhisperModel):  # type: ignore[misc]  # it ships no types
    """faster-whisper's words, on an alignment of the test's own."""

    def __init__(self, alignment: Alignment) -> None:
        self.frames_per_second, self.tokens_per_second = 100, 50
        self.model = self
        self._alignment = alignment

    def align(self, *_: Any, **__: Any) -> list[Any]:
        given = self._alignment

        class Result:
            alignments, text_token_probs = given.pairs, given.probabilities

        return [Result]


@settings(max_examples=40)
@given(steps=STEPS, frame=st.integers(0, 3000), last_speech=st.floats(0, 30), at=st.integers(1, 8))
@pytest.mark.parametrize("text", [" Close the red (radio), number one. Hello there, open it! Yes."])
def test_times_are_those_of_faster_whisper(
    model: LoadedModel, text: str, steps: list[int], frame: int, last_speech: float, at: int
) -> None:
    tokens = tuple(model.vocabulary.encode(text))
    alignment = Alignment(tokens, path(len(tokens), steps), tuple(0.5 for _ in tokens))
    offset = frame / 100
    cuts = [Cut(0, 3, tokens[:at]), Cut(3.5, 9, tokens[at:])]
    ours, last = time_segments(
        cuts, alignment, model.vocabulary, "en", offset=offset, frame=frame, last_speech=last_speech
    )
    theirs: list[dict[str, Any]] = [
        {"seek": frame, "start": offset + cut.start, "end": offset + cut.end, "tokens": list(cut.tokens)}
        for cut in cuts
    ]
    tokenizer = Tokenizer(model.vocabulary._hf, True, task="transcribe", language="en")
    their_last = _Aligner(alignment).add_word_timestamps(
        [theirs], tokenizer, None, 0, BEFORE_WORDS, AFTER_WORDS, last_speech
    )
    assert last == pytest.approx(their_last)
    for segment, expected in zip(ours, theirs, strict=True):
        assert (segment.start, segment.end) == pytest.approx((expected["start"], expected["end"]))
        assert [word.text for word in segment.words] == [word["word"] for word in expected["words"]]
        edges = [edge for word in segment.words for edge in (word.start, word.end)]
        assert edges == pytest.approx([edge for word in expected["words"] for edge in (word["start"], word["end"])])


def test_words_of_languages_without_spaces_are_their_tokens(model: LoadedModel) -> None:
    tokens = tuple(model.vocabulary.encode("你好吗"))
    alignment = Alignment(tokens, path(len(tokens), [1] * 20), tuple(0.5 for _ in tokens))
    assert [word.text for word in timed_words(alignment, model.vocabulary, "zh")] == ["你好", "吗"]
    assert [word.text for word in timed_words(alignment, model.vocabulary, "en")] == ["你好吗"]


def test_no_text_has_no_words(model: LoadedModel) -> None:
    assert timed_words(Alignment((), (), ()), model.vocabulary, "en") == []
