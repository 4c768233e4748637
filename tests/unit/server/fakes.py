"""An engine for tests of what stands before it: it says what it is told to, when it is told to."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import numpy as np

from whisper_server.audio.samples import Samples
from whisper_server.engine.interface import (
    Caller,
    Engine,
    LanguageFound,
    Segment,
    Transcription,
    TranscriptionRequest,
    Update,
    WindowRequest,
    Word,
)
from whisper_server.engine.options import Instructions

ENGLISH = LanguageFound("en", 0.9, (("en", 0.9), ("ko", 0.1)))
HELLO = Transcription(
    language=ENGLISH,
    segments=(
        Segment(
            " Hello there.", 0.5, 1.25, -0.1, 4, (Word(" Hello", 0.5, 0.75, 0.9), Word(" there.", 0.8, 1.2504, 0.7))
        ),
        Segment(" And bye.", 1.5, 2.0, -0.4, 2, (Word(" And", 1.5, 1.6, 0.5), Word(" bye.", 1.7, 2.0, 0.6))),
    ),
)
SILENCE = Transcription(language=ENGLISH, segments=())


@dataclass(frozen=True, slots=True)
class Heard:
    """A request for a recording, with all of its samples."""

    samples: Samples
    instructions: Instructions
    caller: Caller


class FakeEngine(Engine):
    """Answers every request with `answer`, or raises `error`, once `gate` is open.

    Attributes:
        requests: those whose audio has come.
        windows: requests for one window that began.
        given_up: how many of them all were cancelled.
        echo: what it says to each block of a recording at once; None to keep still until all has come.
        blocks: how many it has heard so far while it echoes.
    """

    def __init__(self) -> None:
        self.answer = HELLO
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.requests: list[Heard] = []
        self.windows: list[WindowRequest] = []
        self.given_up = 0
        self.broken = asyncio.Event()
        self.is_full = False
        self.closed = False
        self.echo: str | None = None
        self.blocks = 0

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def compute_type(self) -> str:
        return "float32"

    @property
    def full(self) -> bool:
        return self.is_full

    async def transcribe(self, request: TranscriptionRequest) -> AsyncGenerator[Update, None]:
        """Answer once the gate is open, or to each block."""
        if self.echo is not None:
            yield self.answer.language
            async for _ in request.blocks:
                self.blocks += 1
                yield Segment(self.echo, self.blocks - 1, self.blocks, -0.1, 1)
            return
        samples = np.concatenate([block async for block in request.blocks])
        self.requests.append(Heard(samples, request.instructions, request.caller))
        await self._turn()
        yield self.answer.language
        for segment in self.answer.segments:
            yield segment

    async def hear(self, request: WindowRequest) -> Transcription:
        """Answer once the gate is open."""
        self.windows.append(request)
        await self._turn()
        return self.answer

    async def detect_language(self, request: WindowRequest) -> LanguageFound:
        """Answer once the gate is open."""
        self.windows.append(request)
        await self._turn()
        return self.answer.language

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True

    async def _turn(self) -> None:
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if self.error is not None:
            raise self.error
