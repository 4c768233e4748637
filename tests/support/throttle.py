"""A TCP relay with a speed limit: makes a pull last long enough for a test to meet it half-way."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_CHUNK = 16 * 1024


@dataclass(frozen=True)
class _Slowness:
    bytes_per_second: int
    until: threading.Event


@contextmanager
def throttled(
    host: str, target: tuple[str, int], *, bytes_per_second: int, until: threading.Event | None = None
) -> Iterator[int]:
    """Relay a port of `host` to `target`, with at most `bytes_per_second` back to each caller; yield the port.

    There is no such limit any more once `until` is set.
    """
    slow = _Slowness(bytes_per_second, until or threading.Event())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="throttle", daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(_listen(host, target, slow), loop).result(timeout=240)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(timeout=240)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()


async def _listen(host: str, target: tuple[str, int], slow: _Slowness) -> asyncio.Server:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*target)
        there = asyncio.create_task(_copy(reader, upstream_writer, None))
        back = asyncio.create_task(_copy(upstream_reader, writer, slow))
        # Ended half-way, the relay ends quietly: asyncio would report the cancellation of a connection's task.
        try:
            await asyncio.gather(there, back, writer.wait_closed(), return_exceptions=True)
        except asyncio.CancelledError:
            _hang_up(writer, upstream_writer)

    return await asyncio.start_server(relay, host, 0)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, slow: _Slowness | None) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
            if slow and not slow.until.is_set():
                await asyncio.sleep(len(chunk) / slow.bytes_per_second)
    except ConnectionError:
        pass
    finally:
        writer.close()


def _hang_up(*writers: asyncio.StreamWriter) -> None:
    """End connections at once: what is still to be sent would keep one to a machine that is gone open for ever."""
    for writer in writers:
        writer.transport.abort()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # a connection that was hung up on is closed by the loop's next turn
