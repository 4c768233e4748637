"""Where the process stands in its life: probes and front ends read it, `serve` writes it."""

import asyncio
import time
from enum import StrEnum
from typing import NoReturn


class Phase(StrEnum):
    """The phases, in order; a broken one is not followed by another."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    BROKEN = "broken"


#: How often the loop of calls says that it turns, and how long it may say nothing.
BEAT_SECONDS = 1.0
_SILENCE_SECONDS = 60.0


class Lifecycle:
    """The current phase, and whether the loop that serves calls turns; read from any thread."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING
        self._last_beat = time.monotonic()

    async def beat(self) -> NoReturn:
        """Say that the loop turns, for as long as it does."""
        while True:
            self._last_beat = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)

    @property
    def alive(self) -> bool:
        """Whether the process is worth keeping: one whose loop is stuck is not."""
        return time.monotonic() - self._last_beat < _SILENCE_SECONDS

    @property
    def started(self) -> bool:
        """Whether the model has been warmed up."""
        return self.phase is not Phase.STARTING

    @property
    def ready(self) -> bool:
        """Whether new requests should come here."""
        return self.phase is Phase.READY
