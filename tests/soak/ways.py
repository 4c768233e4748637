"""The ways to have a recording transcribed by a server: one for each front end, and as a stream."""

from collections.abc import Awaitable, Callable

import aiohttp
from riva.client.proto import riva_asr_pb2

from tests.unit.server.hostile import Target
from whisper_server.api import transcription_pb2, transcription_pb2_grpc

CHUNK_BYTES = 8_000

#: Transcribes a recording over one of the front ends.
Way = Callable[[Target, bytes], Awaitable[str]]


async def recognize(target: Target, audio: bytes) -> str:
    answer = await target.riva.Recognize(riva_asr_pb2.RecognizeRequest(config={"language_code": "en"}, audio=audio))
    return "".join(str(result.alternatives[0].transcript) for result in answer.results)


async def upload(target: Target, audio: bytes) -> str:
    form = aiohttp.FormData({"model": "whisper-1", "language": "en", "response_format": "text"})
    form.add_field("file", audio, filename="recording.flac")
    async with target.session.post("/v1/audio/transcriptions", data=form) as answer:
        text = await answer.text()
        answer.raise_for_status()
    return text.rstrip("\n")


async def transcribe(target: Target, audio: bytes) -> str:
    request = transcription_pb2.TranscribeRequest
    requests = [request(config={"speech": {"language": "en"}}), request(audio=audio)]
    call = transcription_pb2_grpc.TranscriptionStub(target.channel).Transcribe(iter(requests))
    return "".join([answer.segment.text async for answer in call])


async def listen(target: Target, audio: bytes) -> str:
    """Stream a recording faster than it was spoken."""
    request = riva_asr_pb2.StreamingRecognizeRequest
    begin = riva_asr_pb2.StreamingRecognitionConfig(config={"language_code": "en"}, interim_results=True)
    chunks = [audio[start : start + CHUNK_BYTES] for start in range(0, len(audio), CHUNK_BYTES)]
    requests = [request(streaming_config=begin), *(request(audio_content=chunk) for chunk in chunks)]
    finals = []
    async for answer in target.riva.StreamingRecognize(iter(requests)):
        finals += [str(result.alternatives[0].transcript) for result in answer.results if result.is_final]
    return "".join(finals)


WAYS: tuple[Way, ...] = (recognize, upload, transcribe, listen)
