"""The limit of `benchmarks.serve`: the server's own decoding, voice activity, features and model, nobody to wait for.

All files are first decoded and cut into windows; then the windows go through the model in static batches, by as many
threads as the server has workers. A line of standard input is a question, one of standard output its answer, both JSON.

  python -m benchmarks.serve_limit MODEL DEVICE COMPUTE_TYPE THREADS MAX_NEW_TOKENS
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from whisper_server.allocator import keep_freed_memory
from whisper_server.audio.cutting import windows
from whisper_server.audio.formats import AudioHint
from whisper_server.audio.limits import DecodeLimits
from whisper_server.audio.samples import SAMPLE_RATE
from whisper_server.audio.stream import decoded, whole
from whisper_server.audio.windows import Window
from whisper_server.engine.devices import default_max_batch_ms
from whisper_server.engine.features import sounding_frames, window_features
from whisper_server.engine.loading import EngineSettings, load_model
from whisper_server.engine.options import DecodingOptions, Task, VadOptions
from whisper_server.engine.payloads import Write, Written
from whisper_server.engine.prompts import Before, make_key, make_prompt
from whisper_server.engine.runner import WhisperRunner
from whisper_server.engine.schedule.rows import ScheduleSettings


class Limit:
    """A model, and the parts of the server that lead to it."""

    def __init__(self, path: Path, settings: EngineSettings, max_new_tokens: int | None) -> None:
        self._model = load_model(path, settings)
        self._runner = WhisperRunner(self._model.whisper, self._model.vocabulary)
        self._threads = ThreadPoolExecutor(settings.schedule.workers)
        decoding = DecodingOptions(temperatures=(0.0,), max_new_tokens=max_new_tokens)
        self._prompt = make_prompt(self._model.vocabulary, Before(), "en", Task.TRANSCRIBE, timestamps=False)
        self._key = make_key(self._model.vocabulary, decoding, self._prompt, 0.0)

    def throughput(self, files: Sequence[str], batch_size: int) -> dict[str, Any]:
        """Transcribe all files in batches of one size; return what it cost."""
        began, cpu = time.perf_counter(), time.process_time()
        seconds, rows = 0.0, []
        for audio_seconds, of_file in map(self._rows, files):
            seconds += audio_seconds
            rows += of_file
        for _ in self._threads.map(self._runner.run, _batches(rows, batch_size)):
            pass
        return {
            "audio_seconds": seconds,
            "wall": time.perf_counter() - began,
            "cpu": time.process_time() - cpu,
            "latencies": [],
            "peak_bytes": 0,
        }

    def direct(self, files: Sequence[str]) -> dict[str, Any]:
        """Transcribe the files one after the other; return how long each took."""
        latencies = []
        for file in files:
            began = time.perf_counter()
            _, rows = self._rows(file)
            for row in rows:
                self._runner.run([row])
            latencies.append(time.perf_counter() - began)
        return {"latencies": latencies}

    def alike(self, files: Sequence[str], batch_size: int) -> dict[str, int]:
        """Write all windows down alone, and with others in an order of chance; return how many come out the same."""
        rows = [replace(row, word_times=True) for file in files for row in self._rows(file)[1]]
        random.Random(batch_size).shuffle(rows)
        alone = [self._written(row)[0] for row in rows]
        together = [written for batch in _batches(rows, batch_size) for written in self._written(*batch)]
        pairs = [pair for pair in zip(alone, together, strict=True) if _same_text(*pair)]
        return {"windows": len(rows), "texts": len(pairs), "times": sum(_same_times(*pair) for pair in pairs)}

    def _written(self, *rows: Write) -> Sequence[Written]:
        return cast("Sequence[Written]", self._runner.run(rows))

    def _rows(self, file: str) -> tuple[float, list[Write]]:
        seconds, cut = asyncio.run(_cut(Path(file).read_bytes()))
        return seconds, [self._row(window) for window in cut]

    def _row(self, window: Window) -> Write:
        return Write(
            features=window_features(self._model.extractor, window.samples),
            frames=sounding_frames(window.seconds),
            key=self._key,
            prompt=self._prompt.tokens,
            language="en",
            task=Task.TRANSCRIBE,
            word_times=False,
            keep_tail=True,
            thresholds=None,
        )


def _same_text(one: Written, other: Written) -> bool:
    return one.hypotheses[0].tokens == other.hypotheses[0].tokens


def _same_times(one: Written, other: Written) -> bool:
    """Tell whether every token of an equal text begins within one of the steps of 20 ms of where it did."""
    begins = [dict(reversed(written.alignment.pairs)) if written.alignment else {} for written in (one, other)]
    steps = np.array([(begins[0][place], begins[1][place]) for place in begins[0]]).reshape(-1, 2)
    return bool((np.abs(steps[:, 0] - steps[:, 1]) <= 1).all())


async def _cut(data: bytes) -> tuple[float, list[Window]]:
    samples = [block async for block in decoded(AudioHint(), whole(data), DecodeLimits(3600))]

    async def blocks() -> Any:
        for block in samples:
            yield block

    return sum(map(len, samples)) / SAMPLE_RATE, [window async for window in windows(blocks(), VadOptions())]


def _batches(rows: Sequence[Write], size: int) -> Iterator[Sequence[Write]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def main() -> None:
    """Answer questions until there are no more."""
    keep_freed_memory()
    path, device, compute_type, threads, max_new_tokens = sys.argv[1:]
    settings = EngineSettings(device, (compute_type,), int(threads), ScheduleSettings())
    limit = Limit(Path(path), settings, int(max_new_tokens) or None)
    for line in sys.stdin:
        question = json.loads(line)
        answer: Any
        if question.get("max_batch_ms"):
            answer = default_max_batch_ms(device)
        elif question.get("alike"):
            answer = limit.alike(question["files"], question["batch_size"])
        elif question.get("direct"):
            answer = limit.direct(question["files"])
        else:
            answer = limit.throughput(question["files"], question["batch_size"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
