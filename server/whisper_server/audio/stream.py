"""From chunks of bytes, as they come, to blocks of samples, as soon as they can be told.

Samples that are as they are, headerless or in WAV, are decoded with their chunk. Other containers go through FFmpeg in
a thread that reads from a bounded pipe; those that must be whole are spooled first. However long a recording is, only
some seconds of it are in memory.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator

from whisper_server.audio.decode import container_blocks
from whisper_server.audio.formats import HEAD_BYTES, WAV, AudioHint, Container, choose_format
from whisper_server.audio.incoming import Chunk, Incoming
from whisper_server.audio.limits import DecodeLimits
from whisper_server.audio.pcm import PcmDecoder, PcmFormat
from whisper_server.audio.pipe import Pipe, Worker
from whisper_server.audio.resampling import Resampler
from whisper_server.audio.samples import Samples
from whisper_server.audio.spool import SpooledUpload
from whisper_server.audio.wav import MAX_HEADER_BYTES, WavHeader, WavLayout
from whisper_server.errors import InvalidRequestError, RequestError

#: A live stream's chunks are decoded where they are; what may take longer than a millisecond, in a thread.
_SMALL_BYTES = 64 * 1024


async def whole(data: bytes) -> AsyncIterator[bytes]:
    """Yield bytes that are all there as chunks."""
    yield data


async def decoded(hint: AudioHint, chunks: AsyncIterable[bytes], limits: DecodeLimits) -> AsyncGenerator[Samples, None]:
    """Yield the samples of a recording; what `chunks` raises passes through.

    Raises:
        InvalidRequestError: when it is empty, garbage, cut short, longer than `limits` allow, or not what `hint` says.
        TooLargeError: when it has more bytes than `limits` allow.
        OverloadedError: when it has to be spooled, and there is no room now.
    """
    incoming = Incoming(chunks, limits.max_bytes)
    chosen = choose_format(await incoming.head(HEAD_BYTES), hint)
    if isinstance(chosen, PcmFormat):
        blocks = _pcm_blocks(chosen, incoming, limits)
    elif chosen is WAV:
        blocks = _wav_blocks(incoming, limits)
    elif chosen.needs_seeking:
        blocks = _spooled_blocks(chosen, incoming, limits)
    else:
        blocks = _piped_blocks(chosen, incoming, limits)
    heard = False
    async with contextlib.aclosing(blocks):
        async for samples in blocks:
            if len(samples):
                heard = True
                yield samples
    if not heard:
        raise InvalidRequestError("the audio is too short: at 16 kHz it has not one sample")


async def _pcm_blocks(
    pcm: PcmFormat, chunks: AsyncIterable[Chunk], limits: DecodeLimits
) -> AsyncGenerator[Samples, None]:
    decoder, resampler = PcmDecoder(pcm), Resampler(limits.max_seconds, check_numbers=True)
    async for chunk in chunks:
        blocks = _decoded_chunk(decoder, resampler, chunk)
        while (samples := await _next(blocks, in_thread=len(chunk) > _SMALL_BYTES)) is not None:
            yield samples
    if resampler.seconds == 0:
        raise InvalidRequestError(f"the audio cannot be read as {pcm.name}: it has not one sample")
    yield resampler.finish()


def _decoded_chunk(decoder: PcmDecoder, resampler: Resampler, chunk: Chunk) -> Iterator[Samples]:
    for frame in decoder.portions(chunk):
        resampler.push(frame)
        yield resampler.take()


async def _next(blocks: Iterator[Samples], *, in_thread: bool) -> Samples | None:
    return await asyncio.to_thread(next, blocks, None) if in_thread else next(blocks, None)


async def _wav_blocks(incoming: Incoming, limits: DecodeLimits) -> AsyncGenerator[Samples, None]:
    header = WavHeader()
    layout = None
    async for chunk in incoming:
        if (layout := header.push(chunk[:MAX_HEADER_BYTES])) is not None:
            incoming.put_back(memoryview(chunk)[MAX_HEADER_BYTES:])
            break
    if layout is None:
        raise header.cut_short()
    if layout.pcm is None:
        incoming.put_back(header.taken)
        blocks = _piped_blocks(WAV, _whole_file(incoming, layout), limits)
    else:
        incoming.put_back(header.taken[layout.data_at :])
        blocks = _pcm_blocks(layout.pcm, _wav_data(incoming, layout), limits)
    async with contextlib.aclosing(blocks):
        async for samples in blocks:
            yield samples


async def _wav_data(incoming: Incoming, layout: WavLayout) -> AsyncIterator[Chunk]:
    """Yield the bytes of the samples, without those of notes behind them."""
    left = layout.data_bytes
    async for chunk in incoming:
        if left is None:
            yield chunk
        elif left:
            yield chunk[:left]
            left -= min(left, len(chunk))
    layout.check_whole(incoming.received)


async def _whole_file(incoming: Incoming, layout: WavLayout) -> AsyncIterator[Chunk]:
    async for chunk in incoming:
        yield chunk
    layout.check_whole(incoming.received)


async def _piped_blocks(
    container: Container, chunks: AsyncIterable[Chunk], limits: DecodeLimits
) -> AsyncGenerator[Samples, None]:
    pipe, worker = Pipe(), Worker()
    blocks = container_blocks(pipe, container, limits.max_seconds)
    feeding = asyncio.create_task(_feed(pipe, chunks))
    try:
        while (samples := await _decoded_step(worker, blocks, feeding)) is not None:
            yield samples
    finally:
        pipe.abandon()
        worker.end(blocks.close)
        feeding.cancel()
        await asyncio.wait((feeding,))


async def _feed(pipe: Pipe, chunks: AsyncIterable[Chunk]) -> Exception | None:
    """Write all of `chunks` into `pipe`; return what they raise."""
    try:
        async for chunk in chunks:
            await pipe.write(chunk)
    except Exception as error:  # noqa: BLE001 - whoever reads the samples raises it
        pipe.abandon()
        return error
    pipe.end()
    return None


async def _decoded_step(
    worker: Worker, blocks: Iterator[Samples], feeding: "asyncio.Task[Exception | None]"
) -> Samples | None:
    """Return the next block, or raise what kept the bytes from coming: the decoder only sees that they end."""
    try:
        samples: Samples | None = await worker.run(next, blocks, None)
    except RequestError:
        _raise_failure(feeding)
        raise
    _raise_failure(feeding)
    return samples


def _raise_failure(feeding: "asyncio.Task[Exception | None]") -> None:
    if feeding.done() and not feeding.cancelled() and (error := feeding.result()) is not None:
        raise error


async def _spooled_blocks(
    container: Container, chunks: AsyncIterable[Chunk], limits: DecodeLimits
) -> AsyncGenerator[Samples, None]:
    upload, worker = SpooledUpload(limits.spool), Worker()
    blocks = container_blocks(upload, container, limits.max_seconds)
    try:
        async for chunk in chunks:
            await worker.run(upload.append, chunk)
        await worker.run(upload.rewind)
        while (samples := await worker.run(next, blocks, None)) is not None:
            yield samples
    finally:
        upload.abandon()
        worker.end(blocks.close, upload.close)
