"""What a person sees while it works: a bar for uploads, the running utterance of a live stream; on a terminal only."""

import shutil
import sys
import unicodedata
from typing import Any, TextIO

from tqdm import tqdm

from whisper_server.cues.atoms import printable

#: Goes back to the line's beginning and clears it (ECMA-48).
_CLEAR = "\r\x1b[K"


class Screen:
    """Standard error, as a person sees it; nothing that a server says can command the terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._interactive = self._stream.isatty()
        self._bar: tqdm[Any] | None = None
        self._dirty = False

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self.clear()
        print(f"whisper-client: {printable(text)}", file=self._stream, flush=True)

    def begin(self, name: str) -> None:
        """Draw a bar for one file."""
        if self._interactive:
            self._bar = tqdm(
                total=1.0,
                desc=name[-40:],
                file=self._stream,
                leave=False,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
            )

    def progress(self, share: float, words: str) -> None:
        """Move the bar to `share` of the whole, and say `words` beside it."""
        if self._bar is not None:
            self._bar.set_postfix_str(words, refresh=False)
            self._bar.n = min(share, 1.0)
            self._bar.refresh()

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def interim(self, text: str) -> None:
        """Show what an utterance says so far, in place of what was shown before: its last words, on one line."""
        if self._interactive:
            self._stream.write(_CLEAR + fitting_tail(printable(text).strip(), shutil.get_terminal_size().columns - 1))
            self._stream.flush()
            self._dirty = True

    def clear(self) -> None:
        """Take away what does not stay, so that something else can be written."""
        if self._bar is not None:
            self._bar.clear()
        if self._dirty:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._dirty = False


def fitting_tail(text: str, columns: int) -> str:
    """Return the end of `text` that fits into so many columns."""
    taken = 0
    for place in range(len(text) - 1, -1, -1):
        taken += 2 if unicodedata.east_asian_width(text[place]) in "WF" else 1
        if taken > columns:
            return text[place + 1 :]
    return text
