"""A live stream: samples in as they are spoken, utterances out.

One task reads, so that the client can go on sending while the model works; what it reads ahead is bounded. At most one
more waits for a partial transcript, or for a final that was begun early. All the rest happens in the generator itself,
in order: a client that does not take what it is told is not listened to meanwhile. So nothing grows, however long the
stream is and however fast it comes.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from typing import Any, Protocol

from whisper_server.audio.samples import Samples
from whisper_server.audio.voice_activity import SpeechProbabilities
from whisper_server.engine.interface import Caller, Engine
from whisper_server.engine.options import Instructions
from whisper_server.live.buffers import Backlog
from whisper_server.live.decoding import UtteranceDecoder
from whisper_server.live.interface import LiveOptions, LiveUpdate
from whisper_server.live.listener import Listener
from whisper_server.live.partials import Partials

#: Read ahead while the model works; then the client waits.
BACKLOG_SECONDS = 30.0


class Probabilities(Protocol):
    """Where the probability of speech in each step comes from."""

    def push(self, samples: Samples) -> Iterable[float]:
        """Return those of the steps that `samples` complete; blocking."""


async def listen(
    engine: Engine,
    blocks: AsyncIterable[Samples],
    instructions: Instructions,
    options: LiveOptions,
    caller: Caller,
    *,
    probabilities: Probabilities | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[LiveUpdate, None]:
    """Yield what is said in `blocks`, utterance by utterance; once it is closed nothing is read or made any more.

    An utterance in which nothing was said has a final only if an interim had told of something.

    Args:
        engine: the model.
        blocks: samples in order, mono, 16 kHz, as they are spoken. Their end ends the running utterance.
        instructions: what to do with each utterance; without a language, that of the first one is kept, unless
            `multilingual`.
        options: what to tell, and where utterances end.
        caller: for whom.
        probabilities: in place of the voice activity network's.
        clock: in place of the machine's, in seconds.

    Raises:
        ScheduleError: when the engine cannot do it.
        RunnerError: likewise.
        RequestError: what `blocks` raise, once what came before has been listened to.
    """
    speech = SpeechProbabilities() if probabilities is None else probabilities
    decoder = UtteranceDecoder(engine, instructions, caller)
    partials = Partials(decoder, clock)
    listener = Listener(decoder, partials, options)
    backlog = Backlog(BACKLOG_SECONDS)
    reading = asyncio.create_task(backlog.fill(blocks))
    taking = asyncio.create_task(backlog.take())
    try:
        while True:
            waited = [task for task in (taking, partials.task) if task is not None]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if (interim := listener.interim()) is not None:
                yield interim
            if not taking.done():
                continue
            samples = taking.result()
            if not len(samples):
                break
            taking = asyncio.create_task(backlog.take())
            listener.add(samples)
            for probability in await asyncio.to_thread(speech.push, samples):
                if (final := await listener.step(probability)) is not None:
                    yield final
            await listener.work_ahead()
        await reading
        if (final := await listener.finish()) is not None:
            yield final
    finally:
        await _end(taking, reading)
        await listener.close()


async def _end(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
