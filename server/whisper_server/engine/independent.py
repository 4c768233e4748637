"""The plan in which windows do not depend on one another: several at a time, told in order."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

from whisper_server.audio.samples import Samples
from whisper_server.audio.windows import Window
from whisper_server.engine.attempts import Desk, Passage, Sound
from whisper_server.engine.distribute import Distributor, found_language
from whisper_server.engine.features import sounding_frames
from whisper_server.engine.flow import in_order
from whisper_server.engine.interface import LanguageFound, Segment, Update
from whisper_server.engine.options import Instructions
from whisper_server.engine.payloads import Features
from whisper_server.engine.prompts import Before, encode_prompt
from whisper_server.engine.quality import Thresholds, is_silence

#: Computes the features of a window, in a thread of its own.
Extract = Callable[[Samples], Awaitable[Features]]


class IndependentPlan:
    """Hears the windows of one recording, each by itself."""

    def __init__(self, desk: Desk, extract: Extract, instructions: Instructions, most: int) -> None:
        """Prepare for one recording.

        Args:
            desk: takes in windows.
            extract: computes features.
            instructions: what to do.
            most: windows at work at a time: what bounds memory, and keeps the model busy.
        """
        self._desk = desk
        self._extract = extract
        self._instructions = instructions
        self._most = most
        self._distributor = Distributor(desk.vocabulary)
        initial = encode_prompt(desk.vocabulary, instructions.context.initial_prompt, stripped=False)
        self._before = Before(tuple(initial), instructions.context.hotwords)
        # None as long as it is to be detected in each window.
        self._language = instructions.language if desk.vocabulary.multilingual else "en"
        self._begun = False
        self._found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self, windows: AsyncGenerator[Window, None]) -> AsyncGenerator[Update, None]:
        """Yield the language, then what is said, in order; `windows` is closed at the end."""
        told = False
        async with contextlib.aclosing(in_order(windows, self._hear, self._most)) as heard:
            async for window, passage in heard:
                if not told:
                    told = True
                    yield found_language(passage)
                for segment in self._segments(window, passage):
                    yield segment
        if not told:
            yield self._unheard()

    async def _hear(self, window: Window) -> Passage:
        first, self._begun = not self._begun, True  # Windows begin in order.
        context = self._instructions.context
        before = replace(self._before, prefix=context.prefix) if first else self._before
        sound = Sound(await self._extract(window.samples), sounding_frames(window.seconds))
        language = self._language if first else await self._fixed_language()
        passage = await self._desk.write(sound, self._instructions, before, language, keep_tail=True)
        if first:
            self._found.set_result(passage.written.language)
        return passage

    async def _fixed_language(self) -> str | None:
        """Return the language of all windows but the first: what was found there, unless each has its own."""
        if self._language is not None or self._instructions.multilingual:
            return self._language
        return await asyncio.shield(self._found)

    def _segments(self, window: Window, passage: Passage) -> list[Segment]:
        decoding = self._instructions.decoding
        # With nothing else to try there is no judgement, as in faster-whisper's batched pipeline.
        if len(decoding.temperatures) > 1 and is_silence(passage.quality, Thresholds.of(decoding)):
            self._distributor.skip(window)
            return []
        return self._distributor.segments(window, passage)

    def _unheard(self) -> LanguageFound:
        """Return the language of a recording in which nothing is said: the one given, or a guess without any ground."""
        return LanguageFound(self._language) if self._language else LanguageFound("en", 0.0)
