"""Calls of our own protocol, as tests make them: over a real channel, the generated stub in between."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from tests.unit.server.conftest import RECORDING
from whisper_server.api import transcription_pb2 as pb
from whisper_server.api.transcription_pb2_grpc import TranscriptionStub

CHUNK_BYTES = 16 * 1024


@dataclass
class Told:
    """What one call of Transcribe brought, by kind, and in what order."""

    language: pb.Language | None = None
    segments: list[pb.Segment] = field(default_factory=list)
    text: str = ""
    progress: list[pb.Progress] = field(default_factory=list)
    summary: pb.Summary | None = None
    order: list[str] = field(default_factory=list)

    def take(self, response: pb.TranscribeResponse) -> None:
        """Sort in one response."""
        kind = response.WhichOneof("content")
        assert kind is not None
        self.order.append(kind)
        match kind:
            case "segment":
                self.segments.append(response.segment)
            case "text":
                self.text += response.text
            case "progress":
                self.progress.append(response.progress)
            case _:
                setattr(self, kind, getattr(response, kind))


def chunks(audio: bytes, size: int = CHUNK_BYTES) -> Iterable[bytes]:
    """Yield `audio` in pieces."""
    return (audio[place : place + size] for place in range(0, len(audio), size))


def upload(audio: bytes, **config: Any) -> list[pb.TranscribeRequest]:
    """Return the messages of an upload."""
    first = pb.TranscribeRequest(config=pb.TranscribeConfig(**config))
    return [first, *(pb.TranscribeRequest(audio=chunk) for chunk in chunks(audio))]


class OwnClient:
    """A client of one server: gRPC's synchronous one in a thread, since the other may lose an early refusal's words.

    (https://github.com/grpc/grpc/issues/36066)
    """

    def __init__(self, port: int) -> None:
        self._address = f"127.0.0.1:{port}"

    async def transcribe(self, audio: bytes = RECORDING, **config: Any) -> Told:
        """Upload a recording, and return all that comes back."""
        return await self.transcribe_messages(upload(audio, **config))

    async def transcribe_messages(self, messages: Iterable[pb.TranscribeRequest]) -> Told:
        """Send messages as they are."""
        told = Told()
        for response in await self.call(lambda stub: list(stub.Transcribe(iter(messages)))):
            told.take(response)
        return told

    async def refusal(self, audio: bytes = RECORDING, **config: Any) -> tuple[grpc.StatusCode, str]:
        """Return the status that Transcribe fails with."""
        return await refused(self.transcribe(audio, **config))

    async def refusal_of_number(self, name: str, value: float) -> tuple[grpc.StatusCode, str]:
        """Return the status that an option's value, by the name that GetModel tells, fails with."""
        group, _, rest = name.partition("_")
        if group == "endpointing":
            return await refused(self.stream(endpointing=_with(pb.Endpointing(), rest, value)))
        if group == "vad":
            speech = pb.SpeechOptions(vad=_with(pb.VadOptions(), rest, value))
        else:
            speech = pb.SpeechOptions(decoding=_with(pb.DecodingOptions(), name, value))
        return await self.refusal(speech=speech)

    async def stream(self, audio: bytes = RECORDING, **config: Any) -> list[pb.StreamTranscribeResponse]:
        """Return what a live stream of a recording brings."""
        messages = [
            pb.StreamTranscribeRequest(config=pb.StreamTranscribeConfig(**config)),
            *(pb.StreamTranscribeRequest(audio=chunk) for chunk in chunks(audio)),
        ]
        return list(await self.call(lambda stub: list(stub.StreamTranscribe(iter(messages)))))

    async def detect(self, audio: bytes = RECORDING, **config: Any) -> pb.Language:
        """Return a recording's language."""
        messages = [
            pb.DetectLanguageRequest(config=pb.DetectLanguageConfig(**config)),
            *(pb.DetectLanguageRequest(audio=chunk) for chunk in chunks(audio)),
        ]
        response: pb.DetectLanguageResponse = await self.call(lambda stub: stub.DetectLanguage(iter(messages)))
        return response.language

    async def model(self, name: str = "") -> pb.GetModelResponse:
        """Return what is told of the model."""
        response: pb.GetModelResponse = await self.call(lambda stub: stub.GetModel(pb.GetModelRequest(model=name)))
        return response

    async def call(self, call: Callable[[Any], Any]) -> Any:
        """Return what `call` makes of the stub, on a connection of its own."""

        def within() -> Any:
            with grpc.insecure_channel(self._address) as channel:
                return call(TranscriptionStub(channel))

        return await asyncio.to_thread(within)


async def refused(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str]:
    """Return the status that a call fails with."""
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


def _with(message: Any, name: str, value: float) -> Any:
    """Set a field, whatever kind of number it is."""
    field = message.DESCRIPTOR.fields_by_name[name]
    number = int(value) if field.cpp_type in {field.CPPTYPE_INT32, field.CPPTYPE_INT64} else value
    if name == "suppress_tokens":
        message.suppress_tokens.ids.append(int(value))
    elif field.is_repeated:
        getattr(message, name).append(number)
    else:
        setattr(message, name, number)
    return message
