"""From what was written of a window to the segments of its recording."""

from collections.abc import Sequence
from dataclasses import replace

from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.audio.windows import Window
from whisper_server.engine.attempts import Passage
from whisper_server.engine.interface import Alternative, LanguageFound, Segment, Word
from whisper_server.engine.payloads import Hypothesis
from whisper_server.engine.quality import compression_ratio
from whisper_server.engine.segments import Cut, split
from whisper_server.engine.times import SpeechMap
from whisper_server.engine.vocabulary import Vocabulary
from whisper_server.engine.words import FRAMES_PER_SECOND, TimedSegment, time_segments


def found_language(passage: Passage) -> LanguageFound:
    """Return the language of a window, and how sure the model is if it was not told."""
    language, found = passage.written.language, passage.written.languages
    return LanguageFound(language, dict(found)[language], found) if found else LanguageFound(language)


class Distributor:
    """Makes the segments of one recording from its windows, in order of time.

    What a window's words are depends on where the last one before ended; seconds are of speech without pauses, as
    faster-whisper counts them.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._samples = 0  # of speech before the next window
        self._last_speech = 0.0

    def segments(self, window: Window, passage: Passage) -> list[Segment]:
        """Return the segments of the next window."""
        offset = self._samples / SAMPLE_RATE
        times = SpeechMap(window.pieces, self._samples)
        self._samples += len(window.samples)
        cuts = split(passage.tokens, self._vocabulary.timestamp_begin, window.seconds, keep_tail=True).cuts
        segments = [
            made
            for timed in self._timed(cuts, passage, offset)
            if (made := make_segment(timed, passage, times, self._vocabulary)) is not None
        ]
        return [_with_alternatives(segments[0], passage, self._vocabulary)] if len(segments) == 1 else segments

    def skip(self, window: Window) -> None:
        """Let the next window say nothing."""
        self._samples += len(window.samples)

    def _timed(self, cuts: Sequence[Cut], passage: Passage, offset: float) -> list[TimedSegment]:
        written = passage.written
        if written.alignment is None:
            return [TimedSegment(offset + cut.start, offset + cut.end, cut.tokens, []) for cut in cuts]
        segments, self._last_speech = time_segments(
            cuts,
            written.alignment,
            self._vocabulary,
            written.language,
            offset=offset,
            frame=int(offset * FRAMES_PER_SECOND),
            last_speech=self._last_speech,
        )
        return segments


def make_segment(timed: TimedSegment, passage: Passage, times: SpeechMap, vocabulary: Vocabulary) -> Segment | None:
    """Return a segment with the recording's times; None when it says nothing."""
    text = vocabulary.decode(timed.tokens)
    if not text.strip():
        return None
    words = tuple(Word(word.text, *times.word(word.start, word.end), word.probability) for word in timed.words)
    return Segment(
        text=text,
        start=words[0].start if words else times.start(timed.start),
        end=words[-1].end if words else times.end(timed.end),
        mean_log_probability=passage.quality.mean_log_probability,
        tokens=_weight(timed.tokens),
        words=words,
        no_speech_probability=passage.quality.no_speech_probability,
        compression_ratio=compression_ratio(text),
        temperature=passage.temperature,
        language=passage.written.language,
    )


def _with_alternatives(segment: Segment, passage: Passage, vocabulary: Vocabulary) -> Segment:
    others = passage.written.hypotheses[1:]
    return replace(segment, alternatives=tuple(_alternative(other, vocabulary) for other in others))


def _alternative(hypothesis: Hypothesis, vocabulary: Vocabulary) -> Alternative:
    text = vocabulary.decode(hypothesis.tokens)
    return Alternative(text, hypothesis.mean_log_probability, _weight(hypothesis.tokens))


def _weight(tokens: Sequence[int]) -> int:
    """Return how many tokens the mean log probability is of: the end of the text counts."""
    return len(tokens) + 1
