"""The final of an utterance that seems to end, begun before that is certain, so that nobody waits for it twice.

What a final hears is complete some time before the silence behind it is long enough: the model works in between. If
speech goes on, the work is thrown away.
"""

import asyncio

from whisper_server.audio.samples import Samples
from whisper_server.engine.interface import Transcription
from whisper_server.live.decoding import UtteranceDecoder

#: From which sample of the stream to before which.
Span = tuple[int, int]


class EarlyFinal:
    """At most one of a stream."""

    def __init__(self, decoder: UtteranceDecoder) -> None:
        self._decoder = decoder
        self._task: asyncio.Task[Transcription] | None = None
        self._span: Span = (0, 0)

    def is_of(self, span: Span) -> bool:
        """Return whether the final of this part of the stream is there or being made."""
        return self._task is not None and self._span == span

    def begin(self, samples: Samples, span: Span) -> None:
        """Begin to write down the samples of a part of the stream; any other one has been dropped."""
        self._span = span
        self._task = asyncio.create_task(self._decoder.final(samples, span[0]))

    async def take(self, span: Span) -> Transcription | None:
        """Return the final of this part of the stream, once it is made; None when it was not begun."""
        if self._task is None or self._span != span:
            await self.drop()
            return None
        try:
            return await self._task
        finally:
            await self.drop()

    async def drop(self) -> None:
        """Have none."""
        task, self._task = self._task, None
        if task is not None:
            await end(task)


async def end(task: "asyncio.Task[Transcription] | asyncio.Task[Transcription | None]") -> None:
    """End a task, whatever it would return or raise: what matters meets the next one too."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
