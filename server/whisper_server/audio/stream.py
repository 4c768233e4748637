"""From chunks of bytes, as they come, to blocks of samples."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

from whisper_server.audio.decode import DecodeLimits, decode
from whisper_server.audio.formats import AudioHint, EncodedAudio
from whisper_server.audio.samples import Samples


async def whole(data: bytes) -> AsyncIterator[bytes]:
    """Yield bytes that are all there as chunks."""
    yield data


async def decoded(hint: AudioHint, chunks: AsyncIterable[bytes], limits: DecodeLimits) -> AsyncGenerator[Samples, None]:
    """Yield the samples of a recording.

    Raises:
        InvalidRequestError: when it is empty, garbage, cut short, longer than `limits` allow, or not what `hint` says.
    """
    data = b"".join([chunk async for chunk in chunks])
    cancelled = threading.Event()
    try:
        yield await asyncio.to_thread(decode, EncodedAudio(data, hint), limits, cancelled)
    finally:
        cancelled.set()
