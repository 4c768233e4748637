"""A server's engine whose GPU runs out of memory while it works: batches become smaller, and no request fails.

The model is loaded as ever; then the GPU's memory is filled, and requests come that need more of it than any before:
wide beams, many at a time. Told at the end: how many were answered, and how large the batches were. It exits with 1 if
a request failed, or if there was memory enough, which shows nothing.

  python -m benchmarks.gpu_memory --model DIR
  python -m benchmarks.gpu_memory --model DIR --device cpu --requests 8     # only to try the program
"""

import argparse
import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np

from benchmarks.serve_audio import short_files
from whisper_server.audio.formats import AudioHint
from whisper_server.audio.limits import DecodeLimits
from whisper_server.audio.stream import decoded, whole
from whisper_server.engine.interface import Caller, TranscriptionRequest, collect
from whisper_server.engine.loading import EngineSettings
from whisper_server.engine.observer import Unobserved
from whisper_server.engine.options import DecodingOptions, Instructions
from whisper_server.engine.schedule import scheduler
from whisper_server.engine.whisper import WhisperEngine

#: A wide beam takes more memory than what the model was rehearsed with.
WIDE = DecodingOptions(beam_size=16, alternatives=16, temperatures=(0.0,))
_SMALLEST_FILLING = 1 << 24


class Sizes(Unobserved):
    """Remembers the sizes of batches that ran."""

    def __init__(self) -> None:
        self.ran_sizes: Counter[int] = Counter()

    def ran(self, rows: int, seconds: float) -> None:  # noqa: ARG002 - the protocol's
        """Note one."""
        self.ran_sizes[rows] += 1


class TooLarge(logging.Handler):
    """Counts what the scheduler says of batches for which there was no memory."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.batches = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        self.batches += 1
        print(record.getMessage(), file=sys.stderr)


def fill_memory() -> list[Any]:
    """Return what takes all of the GPU's memory for as long as it is held."""
    taken: list[Any] = []
    size = 1 << 32
    while size >= _SMALLEST_FILLING:
        try:
            part = ctranslate2.StorageView.from_array(np.zeros(size, np.int8))
            taken.append(part.to_device(ctranslate2.Device.cuda))
        except RuntimeError:
            size //= 2
    return taken


async def answered(engine: WhisperEngine, files: Sequence[bytes], requests: int) -> list[Any]:
    """Send all requests at a time, and return what came of each: a text, or an error."""

    async def one(number: int) -> str:
        blocks = decoded(AudioHint(), whole(files[number % len(files)]), DecodeLimits(60))
        request = TranscriptionRequest(blocks, Instructions("en", decoding=WIDE), Caller(number))
        return "".join(segment.text for segment in (await collect(engine.transcribe(request))).segments)

    return await asyncio.gather(*map(one, range(requests)), return_exceptions=True)


async def run(model: Path, device: str, compute_type: str, requests: int) -> int:
    """Run it, and return the exit code."""
    files = await asyncio.to_thread(lambda: [Path(file).read_bytes() for file in short_files()])
    sizes, too_large = Sizes(), TooLarge()
    engine = await WhisperEngine.load(model, EngineSettings(device, (compute_type,)), sizes)
    logging.getLogger(scheduler.__name__).addHandler(too_large)
    try:
        held = fill_memory() if device == "cuda" else []
        came = await answered(engine, files, requests)
        del held
    finally:
        await engine.close()
    failed = [repr(one) for one in came if isinstance(one, BaseException)]
    print(f"{requests - len(failed)} of {requests} answered; batches by size: {dict(sorted(sizes.ran_sizes.items()))}")
    print(
        f"{too_large.batches} batches did not fit" if too_large.batches else "there was memory enough: nothing is shown"
    )
    for error in failed[:5]:
        print(error, file=sys.stderr)
    return 1 if failed or (device == "cuda" and not too_large.batches) else 0


def main() -> int:
    """Read the command line, and run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a published artifact")
    parser.add_argument("--device", default="cuda", help="where the model runs (%(default)s)")
    parser.add_argument("--compute-type", default="default", help="of CTranslate2 (%(default)s)")
    parser.add_argument("--requests", type=int, default=64, help="at a time (%(default)s)")
    chosen = parser.parse_args()
    return asyncio.run(run(chosen.model, chosen.device, chosen.compute_type, chosen.requests))


if __name__ == "__main__":
    sys.exit(main())
