"""Transcripts of an utterance while it is spoken: one at a time, left out when the model has better things to do."""

import asyncio
from collections.abc import Callable

from whisper_server.audio.samples import Samples
from whisper_server.engine.interface import Transcription
from whisper_server.live.decoding import UtteranceDecoder
from whisper_server.live.early import end

#: The least time between the beginnings of two partials.
LEAST_SECONDS = 0.5
#: And in decodes, the wait in the queue included: a stream's partials take at most half of a model's time.
DECODES = 2.0


class Partials:
    """The partial transcripts of one stream."""

    def __init__(self, decoder: UtteranceDecoder, clock: Callable[[], float]) -> None:
        self._decoder = decoder
        self._clock = clock
        self._task: asyncio.Task[Transcription | None] | None = None
        self._began = float("-inf")
        self._took = 0.0

    @property
    def task(self) -> "asyncio.Task[Transcription | None] | None":
        """The one that is being made, or was made and not taken."""
        return self._task

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        return self._clock() - self._began >= max(LEAST_SECONDS, DECODES * self._took)

    @property
    def possible(self) -> bool:
        """Whether one may begin: none is being made, and the model has room."""
        return self._task is None and not self._decoder.busy

    def begin(self, samples: Samples, start: int, *, word_times: bool) -> None:
        """Begin to write down the samples that begin at `start`."""
        self._began = self._clock()
        self._task = asyncio.create_task(self._decoder.partial(samples, start, word_times=word_times))

    def take(self) -> Transcription | None:
        """Return the one that has been made; None when there is none, or it was left out."""
        if self._task is None or not self._task.done():
            return None
        task, self._task = self._task, None
        self._took = self._clock() - self._began
        return task.result()

    async def settle(self, seconds: float) -> Transcription | None:
        """Return the one that is being made, if it is done within `seconds`; then there is none."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
        settled = self.take()
        await self.drop()
        return settled

    async def drop(self) -> None:
        """Have none, whatever it would say."""
        task, self._task = self._task, None
        if task is not None:
            # It would have taken longer still: one that is never done may not be begun ever again at once.
            self._took = max(self._took, self._clock() - self._began)
            await end(task)
