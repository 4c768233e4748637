"""A live stream with a model that hears a script, for tests of what is told, when, and what is asked for it."""

import resource
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

from tests.unit.server.live_speech import Script, ScriptedEngine, ScriptedProbabilities, Sender
from whisper_server.audio.samples import Samples
from whisper_server.engine.interface import Caller
from whisper_server.engine.options import Instructions
from whisper_server.live.interface import Final, LiveOptions, LiveUpdate
from whisper_server.live.stream import listen

TALK = Script.of(4, 6, 3)
INTERIMS = LiveOptions(interim_results=True)
FINALS = LiveOptions(interim_results=False)


class Stream:
    """A stream of a script's speech to a model that hears it, and all that makes it.

    Attributes:
        caller: for whom the model works.
    """

    def __init__(self, script: Script = TALK, options: LiveOptions = INTERIMS, **instructions: Any) -> None:
        self.probabilities = ScriptedProbabilities(script)
        self.engine = ScriptedEngine(script, self.probabilities.clock)
        self.sender = Sender(script, self.probabilities)
        self.caller = Caller("somebody")
        self._options = options
        self._instructions = Instructions(**instructions)

    def updates(self, blocks: AsyncIterator[Samples] | None = None) -> AsyncGenerator[LiveUpdate, None]:
        """Listen to `blocks`, or to what the sender sends as somebody who speaks."""
        return listen(
            self.engine,
            self.sender.in_step() if blocks is None else blocks,
            self._instructions,
            self._options,
            self.caller,
            probabilities=self.probabilities,
            clock=self.probabilities.clock,
        )

    async def all(self, blocks: AsyncIterator[Samples] | None = None) -> list[LiveUpdate]:
        """Listen to the end."""
        return [update async for update in self.updates(blocks)]


def finals(updates: list[LiveUpdate]) -> list[Final]:
    return [update for update in updates if isinstance(update, Final)]


def resident_bytes() -> int:
    """Return the memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def text(final: Final) -> str:
    return "".join(segment.text for segment in final.segments)
