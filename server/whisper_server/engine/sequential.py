"""The plan in which each window begins where the last one's text ended, and is told what was said before.

It hears what faster-whisper's `WhisperModel.transcribe` hears, and writes the same at temperature 0.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass, replace

from faster_whisper.feature_extractor import FeatureExtractor

from whisper_server.audio.samples import SAMPLE_RATE, Samples
from whisper_server.audio.windows import Piece, Window
from whisper_server.engine.attempts import Desk, Passage, Sound
from whisper_server.engine.distribute import found_language, make_segment
from whisper_server.engine.features import WINDOW_FRAMES, LongFeatures
from whisper_server.engine.hallucinations import Span, first_imagined, leading_silence
from whisper_server.engine.interface import LanguageFound, Segment, Update
from whisper_server.engine.options import Instructions
from whisper_server.engine.prompts import Before, encode_prompt
from whisper_server.engine.quality import Thresholds, is_silence
from whisper_server.engine.segments import split
from whisper_server.engine.times import SpeechMap
from whisper_server.engine.words import FRAMES_PER_SECOND, TimedSegment, time_segments
from whisper_server.errors import InvalidRequestError

#: The features of all of it are held: 230 MB for 80 mel bands.
MAX_SECONDS = 2 * 3600


async def bounded(blocks: AsyncIterable[Samples]) -> AsyncGenerator[Samples, None]:
    """Yield `blocks`; InvalidRequestError when they are longer than the plan can do."""
    samples = 0
    async for block in blocks:
        samples += len(block)
        if samples > MAX_SECONDS * SAMPLE_RATE:
            raise InvalidRequestError(
                f"the sequential plan takes at most {MAX_SECONDS // 3600} hours of audio: "
                "send it in parts, or use the independent plan"
            )
        yield block


@dataclass(frozen=True, slots=True)
class _Heard:
    """What a window came to.

    Attributes:
        segments: what it says.
        seek: the frame at which to go on.
        silent: whether it counts as not heard at all.
    """

    segments: list[TimedSegment]
    seek: int
    silent: bool = False


class SequentialPlan:
    """Hears one recording, one window at a time."""

    def __init__(self, desk: Desk, extractor: FeatureExtractor, instructions: Instructions) -> None:
        self._desk = desk
        self._instructions = instructions
        self._features = LongFeatures(extractor)
        self._times = SpeechMap(())
        self._samples = 0
        # None as long as it is to be detected.
        self._language = instructions.language if desk.vocabulary.multilingual else "en"
        self._tokens = list(encode_prompt(desk.vocabulary, instructions.context.initial_prompt, stripped=True))
        self._told_from = 0  # the first token that the next window is told
        self._last_speech = 0.0

    async def run(self, windows: AsyncGenerator[Window, None]) -> AsyncGenerator[Update, None]:
        """Yield the language, then what is said, in order; `windows` is closed at the end."""
        await self._listen(windows)
        told, seek = False, 0
        while seek < self._features.frames:
            size = min(WINDOW_FRAMES, self._features.frames - seek)
            passage = await self._write(seek, size)
            if not told:
                told = True
                yield found_language(passage)
            heard = self._judge(passage, seek, size)
            for segment in self._take(heard, passage):
                yield segment
            # A text without any progress would be heard again for ever.
            seek = heard.seek if heard.seek > seek else seek + size
        if not told:
            yield LanguageFound(self._language) if self._language else LanguageFound("en", 0.0)

    async def _listen(self, windows: AsyncGenerator[Window, None]) -> None:
        pieces: list[Piece] = []
        async with contextlib.aclosing(windows):
            async for window in windows:
                pieces += [replace(piece, at=self._samples + piece.at) for piece in window.pieces]
                self._samples += len(window.samples)
                await asyncio.to_thread(self._features.push, window.samples)
        if pieces:
            await asyncio.to_thread(self._features.finish)
        self._times = SpeechMap(pieces)

    async def _write(self, seek: int, size: int) -> Passage:
        asked, context = self._instructions, self._instructions.context
        previous = tuple(self._tokens[self._told_from :])
        before = Before(previous, context.hotwords, context.prefix if seek == 0 else None)
        sound = Sound(self._features.window(seek, size), size)
        passage = await self._desk.write(sound, asked, before, self._language, keep_tail=False)
        if not asked.multilingual:
            self._language = passage.written.language
        return passage

    def _judge(self, passage: Passage, seek: int, size: int) -> _Heard:
        """Return what a window says, and where to go on: behind it, or where its last whole segment or word ends."""
        if is_silence(passage.quality, Thresholds.of(self._instructions.decoding)):
            return _Heard([], seek + size, silent=True)
        vocabulary = self._desk.vocabulary
        offset = seek / FRAMES_PER_SECOND
        parts = split(passage.tokens, vocabulary.timestamp_begin, size / FRAMES_PER_SECOND, keep_tail=False)
        behind = seek + size if parts.heard_until is None else seek + round(parts.heard_until * FRAMES_PER_SECOND)
        alignment = passage.written.alignment
        if alignment is None:
            segments = [TimedSegment(offset + cut.start, offset + cut.end, cut.tokens, []) for cut in parts.cuts]
            return _Heard(segments, behind)
        segments, _ = time_segments(
            parts.cuts,
            alignment,
            vocabulary,
            passage.written.language,
            offset=offset,
            frame=seek,
            last_speech=self._last_speech,
        )
        if not parts.ends_in_silence and (end := _end(segments)) is not None and end > offset:
            behind = round(end * FRAMES_PER_SECOND)
        heard = self._without_imagined(_Heard(segments, behind), seek, size)
        if not heard.silent and (end := _end(heard.segments)) is not None:
            self._last_speech = end
        return heard

    def _without_imagined(self, heard: _Heard, seek: int, size: int) -> _Heard:
        """Return what is left when text between silences is dropped, if that is asked for."""
        silence = self._instructions.decoding.hallucination_silence_threshold
        if silence is None:
            return heard
        offset = seek / FRAMES_PER_SECOND
        span = Span(offset, offset + size / FRAMES_PER_SECOND, (seek + WINDOW_FRAMES) / FRAMES_PER_SECOND)
        gap = leading_silence(heard.segments, span)
        if gap > silence:
            return _Heard([], seek + round(gap * FRAMES_PER_SECOND), silent=True)
        place = first_imagined(heard.segments, span, self._last_speech, silence)
        if place is None:
            return heard
        imagined = heard.segments[place]
        again = round(max(offset + 1, imagined.start) * FRAMES_PER_SECOND)
        if self._features.frames / FRAMES_PER_SECOND - imagined.end < silence:
            again = self._features.frames
        return _Heard(heard.segments[:place], again)

    def _take(self, heard: _Heard, passage: Passage) -> list[Segment]:
        """Return the segments of a window that say something, and let the next ones know of them."""
        segments = []
        for timed in heard.segments:
            segment = make_segment(timed, passage, self._times, self._desk.vocabulary)
            if segment is not None and timed.start != timed.end:
                segments.append(replace(segment, compression_ratio=passage.quality.compression_ratio))
                self._tokens += timed.tokens
        decoding = self._instructions.decoding
        forget = not decoding.condition_on_previous_text or passage.temperature > decoding.prompt_reset_on_temperature
        if forget and not heard.silent:
            self._told_from = len(self._tokens)
        return segments


def _end(segments: Sequence[TimedSegment]) -> float | None:
    """Return where the last word ends, without any the last segment."""
    ends = (word.end for segment in reversed(segments) for word in reversed(segment.words))
    return next(ends, segments[-1].end if segments else None)
