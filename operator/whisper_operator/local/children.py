"""The processes that are run: in a session of their own, so that Ctrl-C reaches them through us, in order."""

import asyncio
import ctypes
import os
import shutil
import signal
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

#: Called with each line that a process writes.
OnLine = Callable[[str], None]

_LONGEST_LINE = 1 << 20
_SET_PARENT_DEATH_SIGNAL = 1
# Looked up here, since little may be done between fork and exec.
_LIBC = ctypes.CDLL(None)


class ProgramMissingError(Exception):
    """A command that is to be run is not installed; the text says what to do."""


def find_program(name: str) -> str:
    """Return the path of a command of this project: beside this Python, or else on the PATH.

    Raises:
        ProgramMissingError: when it is not there.
    """
    beside = Path(sysconfig.get_path("scripts"), name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ProgramMissingError(f"{name} is not installed: pip install 'whisper-operator[local]'")
    return found


class Child:
    """A running process."""

    def __init__(self, process: asyncio.subprocess.Process, readers: Sequence[asyncio.Task[None]]) -> None:
        self._process = process
        self.ended = asyncio.create_task(self._wait(readers))

    @classmethod
    async def start(
        cls, command: Sequence[str], environment: Mapping[str, str], on_output: OnLine, on_error: OnLine
    ) -> "Child":
        """Start `command` with `environment` beside the user's own; OSError when that cannot be."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **environment},
            limit=_LONGEST_LINE,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        pairs = ((process.stdout, on_output), (process.stderr, on_error))
        return cls(process, [asyncio.create_task(_read(stream, on_line)) for stream, on_line in pairs if stream])

    async def _wait(self, readers: Sequence[asyncio.Task[None]]) -> int:
        await asyncio.gather(*readers)
        return await self._process.wait()

    def ask_to_end(self) -> None:
        """Send SIGTERM; a server takes a second one as a wish to hurry."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    async def end(self, patience_seconds: float) -> None:
        """Ask it to end, and kill it when it has not after that time."""
        self.ask_to_end()
        await asyncio.wait([self.ended], timeout=patience_seconds)
        if not self.ended.done():
            with suppress(ProcessLookupError):
                self._process.kill()
            await asyncio.wait([self.ended])


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM when we are killed: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html."""
    _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


async def _read(stream: asyncio.StreamReader, on_line: OnLine) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # longer than any line of ours: asyncio has dropped it
            continue
        if not line:
            return
        on_line(line.decode(errors="replace").rstrip("\n"))
