"""An engine for tests of what stands before it: it says what it is told to, when it is told to."""

import asyncio

from whisper_server.engine.interface import Engine, Segment, Transcription, TranscriptionRequest, Word

HELLO = Transcription(
    language="en",
    segments=(
        Segment(
            " Hello there.", 0.5, 1.25, -0.1, 4, (Word(" Hello", 0.5, 0.75, 0.9), Word(" there.", 0.8, 1.2504, 0.7))
        ),
        Segment(" And bye.", 1.5, 2.0, -0.4, 2, (Word(" And", 1.5, 1.6, 0.5), Word(" bye.", 1.7, 2.0, 0.6))),
    ),
    inference_seconds=0.25,
)
SILENCE = Transcription(language="en", segments=(), inference_seconds=0.01)


class FakeEngine(Engine):
    """Answers every request with `answer`, or raises `error`, once `gate` is open.

    Attributes:
        requests: those that began.
        given_up: how many of them were cancelled.
    """

    def __init__(self) -> None:
        self.answer = HELLO
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.requests: list[TranscriptionRequest] = []
        self.given_up = 0

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def compute_type(self) -> str:
        return "float32"

    async def transcribe(self, request: TranscriptionRequest) -> Transcription:
        """Answer once the gate is open."""
        self.requests.append(request)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if self.error is not None:
            raise self.error
        return self.answer
