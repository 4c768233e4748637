"""Attacks on every front end of a running server. Each says how it was answered; none may be answered by a defect."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

from tests.unit.server.hostile_files import files, hostile_audio
from tests.unit.server.process import ServerProcess
from whisper_server.api import transcription_pb2, transcription_pb2_grpc

HOST = "127.0.0.1"
LONG = "long " * 40_000


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and clients of it."""

    grpc_port: int
    http_port: int
    probe_port: int
    channel: Any
    session: aiohttp.ClientSession

    @property
    def riva(self) -> Any:
        return riva_asr_pb2_grpc.RivaSpeechRecognitionStub(self.channel)


@contextlib.asynccontextmanager
async def target_of(server: ServerProcess) -> AsyncIterator[Target]:
    """Connect to a server's front ends."""
    ready, loading = server.line("ready"), server.line("loading ")
    async with (
        grpc.aio.insecure_channel(f"{HOST}:{ready['grpc_port']}") as channel,
        aiohttp.ClientSession(f"http://{HOST}:{ready['http_port']}") as session,
    ):
        yield Target(ready["grpc_port"], ready["http_port"], loading["probe_port"], channel, session)


#: Returns how it was answered: a gRPC status code's name, "HTTP 400", or "closed".
Attack = Callable[[Target, random.Random], Awaitable[str]]


async def code_of(call: Any) -> str:
    """Return the name of a call's status code, its answers read."""
    try:
        async with asyncio.timeout(240):
            code, details = await call.code(), await call.details()
    except asyncio.CancelledError:
        return "CANCELLED"
    # What gRPC's own client calls a call that the server ended while it was still sending, and one with more metadata
    # than a server takes on a connection that has just reached its age; others are sent again on the next one.
    ended = details == "Internal error from Core" or "GOAWAY received" in (details or "")
    return "closed" if ended else str(code.name)


def config(source: random.Random) -> Any:
    """Return a config that is right, wrong or absurd."""
    absurd: list[dict[str, Any]] = [
        {"sample_rate_hertz": source.choice((-1, 0, 1, 2**31 - 1))},
        {"audio_channel_count": source.choice((-1, 0, 255, 2**31 - 1))},
        {"encoding": source.randrange(0, 30)},
        {"language_code": source.choice(("xx", "en-" * 1_000, "\0", "../../etc/passwd", LONG))},
        {"model": source.choice(("nothing", LONG, "/etc/passwd"))},
        {"max_alternatives": source.choice((-1, 10**6))},
        {"speech_contexts": [riva_asr_pb2.SpeechContext(phrases=["word"] * 5_000)]},
        {"speech_contexts": [riva_asr_pb2.SpeechContext(phrases=[LONG])]},
        {"custom_configuration": {f"key{number}": LONG for number in range(5)}},
        {"custom_configuration": {"temperature": source.choice(("nan", "inf", "-1", "1e309", "1:2:3", ""))}},
        {"custom_configuration": {"beam_size": source.choice(("0", "-5", "1000000", "two", "%zz"))}},
        {"custom_configuration": {"initial_prompt": LONG}},
        {"endpointing_config": riva_asr_pb2.EndpointingConfig(start_history=-1, stop_threshold=float("nan"))},
        {},
    ]
    return riva_asr_pb2.RecognitionConfig(**source.choice(absurd))


async def recognize_audio(target: Target, source: random.Random) -> str:
    labels = riva_asr_pb2.RecognitionConfig(
        encoding=source.choice((0, 0, 0, 1, 2, 3, 4, 20)), sample_rate_hertz=source.choice((0, 16_000, 8_000, 1))
    )
    request = riva_asr_pb2.RecognizeRequest(config=labels, audio=hostile_audio(source))
    return await code_of(target.riva.Recognize(request))


async def recognize_config(target: Target, source: random.Random) -> str:
    request = riva_asr_pb2.RecognizeRequest(config=config(source), audio=source.choice(files()))
    return await code_of(target.riva.Recognize(request))


async def recognize_noise(target: Target, source: random.Random) -> str:
    """Send bytes that are no message of the protocol."""
    riva, own = "/nvidia.riva.asr.RivaSpeechRecognition/", "/whisper.v1.Transcription/"
    method = source.choice(
        (f"{riva}Recognize", f"{riva}StreamingRecognize", f"{riva}Nothing", f"{own}Transcribe", f"{own}GetModel")
    )
    return await code_of(target.channel.stream_stream(method)(iter([source.randbytes(source.randrange(1, 500))])))


async def stream(target: Target, source: random.Random) -> str:
    """Send requests of a stream in any order."""
    start = riva_asr_pb2.StreamingRecognizeRequest(
        streaming_config=riva_asr_pb2.StreamingRecognitionConfig(
            config=config(source), interim_results=source.random() < 0.5
        )
    )
    audio = riva_asr_pb2.StreamingRecognizeRequest(audio_content=hostile_audio(source))
    pieces = [riva_asr_pb2.StreamingRecognizeRequest(), audio, audio, start]
    requests = [start] * (source.random() < 0.7) + source.sample(pieces, source.randrange(len(pieces)))
    call = target.riva.StreamingRecognize(iter(requests))
    with contextlib.suppress(grpc.aio.AioRpcError):
        async for _ in call:
            pass
    return await code_of(call)


def own_config(source: random.Random) -> transcription_pb2.TranscribeConfig:
    """Return a config of our own protocol that is right, wrong or absurd."""
    absurd: list[dict[str, Any]] = [
        {"model": source.choice(("nothing", LONG))},
        {"audio_format": {"encoding": source.randrange(0, 6), "sample_rate_hertz": source.choice((-1, 0, 1))}},
        {"plan": source.randrange(0, 9), "output_format": source.randrange(0, 9)},
        {"speech": {"language": source.choice(("xx", LONG)), "task": source.randrange(0, 9)}},
        {"speech": {"initial_prompt": LONG, "hotwords": LONG, "prefix": LONG}},
        {"speech": {"decoding": {"beam_size": source.choice((-1, 0, 10**6))}}},
        {},
    ]
    return transcription_pb2.TranscribeConfig(**source.choice(absurd))


async def transcribe(target: Target, source: random.Random) -> str:
    """Send requests of our own protocol in any order."""
    kind = source.choice((transcription_pb2.TranscribeRequest, transcription_pb2.StreamTranscribeRequest))
    own = own_config(source)
    start = (
        transcription_pb2.TranscribeRequest(config=own)
        if kind is transcription_pb2.TranscribeRequest
        else transcription_pb2.StreamTranscribeRequest(config={"model": own.model, "speech": own.speech})
    )
    audio = kind(audio=hostile_audio(source))
    pieces = [kind(), audio, audio, start]
    requests = [start] * (source.random() < 0.8) + source.sample(pieces, source.randrange(len(pieces)))
    stub = transcription_pb2_grpc.TranscriptionStub(target.channel)
    method = stub.Transcribe if kind is transcription_pb2.TranscribeRequest else stub.StreamTranscribe
    call = method(iter(requests))
    with contextlib.suppress(grpc.aio.AioRpcError):
        async for _ in call:
            pass
    return await code_of(call)


async def detect(target: Target, source: random.Random) -> str:
    """Ask for the language of hostile audio."""
    requests = [
        transcription_pb2.DetectLanguageRequest(config={}),
        transcription_pb2.DetectLanguageRequest(audio=hostile_audio(source)),
    ]
    return await code_of(transcription_pb2_grpc.TranscriptionStub(target.channel).DetectLanguage(iter(requests)))


async def cancelled(target: Target, source: random.Random) -> str:
    """Hang up at any moment."""
    request = riva_asr_pb2.RecognizeRequest(config={}, audio=source.choice(files()))
    call = target.riva.Recognize(request)
    await asyncio.sleep(source.random() * 0.05)
    call.cancel()
    return await code_of(call)


async def cancelled_stream(target: Target, source: random.Random) -> str:
    """Hang up on a stream that was begun."""
    call = target.riva.StreamingRecognize()
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        begin = riva_asr_pb2.StreamingRecognitionConfig(config={}, interim_results=True)
        await call.write(riva_asr_pb2.StreamingRecognizeRequest(streaming_config=begin))
        await call.write(riva_asr_pb2.StreamingRecognizeRequest(audio_content=source.choice(files())))
    await asyncio.sleep(source.random() * 0.05)
    call.cancel()
    return await code_of(call)


async def expired(target: Target, source: random.Random) -> str:
    """Wait for no time at all."""
    request = riva_asr_pb2.RecognizeRequest(config={}, audio=source.choice(files()))
    return await code_of(target.riva.Recognize(request, timeout=source.random() * 0.02))


async def metadata(target: Target, source: random.Random) -> str:
    """Send more metadata than a server keeps, or strange metadata."""
    sent = source.choice(((("x-request-id", "x" * 30_000),), (("x-noise-bin", source.randbytes(30_000)),)))
    return await code_of(target.riva.Recognize(riva_asr_pb2.RecognizeRequest(), metadata=sent))


async def upload(target: Target, source: random.Random) -> str:
    """Send a form with hostile audio, and fields that may be absurd."""
    form = aiohttp.FormData()
    form.add_field("file", hostile_audio(source), filename=source.choice(("a.wav", "../../etc/passwd", "x" * 5_000)))
    absurd = {"model": "whisper-1", "temperature": "nan", "language": LONG, "response_format": "exe", "prompt": LONG}
    for name, value in source.sample(sorted(absurd.items()), source.randrange(3)):
        form.add_field(name, value)
    form.add_field("model", "whisper-1")
    return await _post(target, data=form)


async def no_form(target: Target, source: random.Random) -> str:
    """Send what is no form."""
    boundary = b"--b\r\nContent-Disposition: form-data; name=" + source.randbytes(source.randrange(200))
    types = ("multipart/form-data", "multipart/form-data; boundary=b", "application/json", "text/plain", "x" * 2_000)
    headers = {"Content-Type": source.choice(types)}
    if source.random() < 0.3:
        headers["Content-Encoding"] = "gzip"
    return await _post(target, data=source.choice((boundary, b"", b"{}", source.randbytes(5_000))), headers=headers)


async def hang_up(target: Target, source: random.Random) -> str:
    """Begin an upload, and leave."""
    length = source.choice((b"1000000", b"-1", b"x", b"99999999999999999999"))
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + b"\r\n"
    body = b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n" + source.randbytes(source.randrange(5_000))
    whole = head + body
    return await send_raw(target.http_port, whole[: source.randrange(len(whole))], source)


async def noise(target: Target, source: random.Random) -> str:
    """Send noise, or the beginning of the wrong protocol, to any port."""
    port = source.choice((target.grpc_port, target.http_port, target.probe_port))
    openings = (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
        b"GET /" + b"x" * 20_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"",
    )
    return await send_raw(port, source.choice(openings) + source.randbytes(source.randrange(2_000)), source)


async def _post(target: Target, **request: Any) -> str:
    try:
        async with target.session.post("/v1/audio/transcriptions", **request) as answer:
            await answer.read()
            return f"HTTP {answer.status}"
    except aiohttp.ClientError:
        return "closed"


async def send_raw(port: int, data: bytes, source: random.Random) -> str:
    """Send bytes over a connection of its own, wait a moment, and leave."""
    _, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(data)
        with contextlib.suppress(OSError):
            await writer.drain()
        await asyncio.sleep(source.random() * 0.02)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return "closed"


#: What is tried, and how often of a hundred times.
ATTACKS: tuple[tuple[Attack, int], ...] = (
    (recognize_audio, 22),
    (transcribe, 10),
    (detect, 2),
    (recognize_config, 8),
    (recognize_noise, 4),
    (stream, 12),
    (cancelled, 5),
    (cancelled_stream, 4),
    (expired, 2),
    (metadata, 2),
    (upload, 15),
    (no_form, 5),
    (hang_up, 4),
    (noise, 5),
)

#: What a defect is answered with.
_DEFECTS = {"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE"}


async def attacked(target: Target, source: random.Random) -> str:
    """Send one hostile input, and return its kind and how it was answered."""
    attacks, weights = zip(*ATTACKS, strict=True)
    (chosen,) = source.choices(attacks, weights)
    return f"{chosen.__name__}: {await chosen(target, source)}"


def is_defect(answer: str) -> bool:
    """Return whether what `attacked` returned tells of a mistake of the server's."""
    _, _, how = answer.partition(": ")
    return how in _DEFECTS or how.startswith("HTTP 5")
