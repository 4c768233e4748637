"""What people see: lines on standard error, and a bar below them while something is pulled on a terminal."""

import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

from whisper_contract.progress import Progress

_LINE_SECONDS = 10.0


class Teller:
    """Writes lines that begin with a WhisperModel's name, and shows how far its pull is. One pulls at a time."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._bar: tqdm[Any] | None = None
        self._told = time.monotonic()

    def tell(self, text: str, model: str = "") -> None:
        """Write `text` in lines of its own, above a bar that is there."""
        for line in text.splitlines():
            said = f"{time.strftime('%H:%M:%S')} {model + ': ' if model else ''}{_printable(line)}"
            tqdm.write(said, file=self._stream)
        self._stream.flush()

    def progress(self, model: str, progress: Progress) -> None:
        """Move the bar of the step that runs; where there is no terminal, tell of it now and then."""
        if self._stream.isatty():
            self._draw(f"{model} {progress.step}", progress)
        elif time.monotonic() - self._told >= _LINE_SECONDS:
            self._told = time.monotonic()
            self.tell(_sentence(progress), model)

    def _draw(self, title: str, progress: Progress) -> None:
        if self._bar is None or self._bar.desc != title:
            self.clear()
            self._bar = tqdm(
                desc=title,
                file=self._stream,
                total=progress.bytes_total,
                initial=progress.bytes_done,  # no part of the rate
                unit="B",
                unit_scale=True,
                unit_divisor=1024,
                leave=False,
            )
        self._bar.total, self._bar.n = progress.bytes_total, progress.bytes_done
        self._bar.refresh()

    def clear(self) -> None:
        """Take the bar away: its step has ended."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._told = time.monotonic()


def _sentence(progress: Progress) -> str:
    done = f"{progress.percent} %" if progress.percent is not None else f"{progress.bytes_done / 1e6:.0f} MB"
    left = f", {progress.eta_seconds} s to go" if progress.eta_seconds is not None else ""
    return f"{progress.step}: {done} at {progress.bytes_per_second / 1e6:.1f} MB/s{left}"


def _printable(line: str) -> str:
    """Keep what others wrote from giving a terminal orders."""
    return "".join(letter if letter.isprintable() or letter == "\t" else "�" for letter in line)
