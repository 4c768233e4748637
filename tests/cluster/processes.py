"""Starts the cluster's daemons, waits for them and ends them, so that none is ever lost or mistaken for another.

Each daemon carries its run's folder in its environment, and its children inherit it. That mark is there from the first
instant of the process and goes with it, unlike a list of process ids, which lacks what was started just before a crash
and names whoever got the id afterwards. To end a process, its id is first held by a pidfd, then the mark is read.
"""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext

from tests.cluster.errors import ClusterError

MARK = "WHISPER_OPERATOR_CLUSTER_RUN"
# All daemons are Go programs. Collecting garbage a quarter as often takes a third more memory of an API server, and a
# quarter off its CPU time: https://pkg.go.dev/runtime#hdr-Environment_Variables
_TUNED = {"GOGC": "400"}

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 0.25


@dataclass(frozen=True)
class Process:
    """A process by its id and the time it began (clock ticks since boot), which together name it for ever."""

    pid: int
    began: int

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        fields = _stat(pid)
        return cls(pid, int(fields[19])) if fields else None

    def alive(self) -> bool:
        """False once it has ended; if it is a child of ours, its exit status is taken then."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        fields = _stat(self.pid)
        if fields is None or int(fields[19]) != self.began:
            return False
        # A zombie whose other threads still end holds its sockets yet: whoever listens there next would be refused.
        return fields[0] != "Z" or int(fields[17]) > 1


def _stat(pid: int) -> list[str] | None:
    """What follows the name in /proc/PID/stat: the state first, the number of threads 18th, the start time 20th."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _note(run: Path, name: str) -> Path:
    return run / "daemons" / name


@dataclass(frozen=True)
class Daemon:
    """A process that runs in a session of its own: Ctrl-C and a closed terminal do not reach it."""

    name: str
    process: Process
    log: Path

    @classmethod
    def start(cls, name: str, command: Sequence[str | Path], *, run: Path) -> "Daemon":
        """Starts `command` marked as part of `run`; its output is added to `run/logs/<name>.log`."""
        log = run / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawnp(
            command[0],
            [str(part) for part in command],
            os.environ | _TUNED | {MARK: str(run)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), appending, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGTERM],
        )
        process = Process.of(pid)
        assert process is not None, "a child that we have not waited for has an entry in /proc"
        _note(run, name).parent.mkdir(exist_ok=True)
        _note(run, name).write_text(f"{process.pid} {process.began}")
        return cls(name, process, log)

    @classmethod
    def find(cls, name: str, *, run: Path) -> "Daemon":
        """The daemon of this name in `run`, whichever process started it."""
        pid, began = _note(run, name).read_text().split()
        return cls(name, Process(int(pid), int(began)), run / "logs" / f"{name}.log")

    @classmethod
    def all(cls, run: Path) -> list["Daemon"]:
        return [cls.find(note.name, run=run) for note in sorted((run / "daemons").glob("*"))]

    @property
    def running(self) -> bool:
        return self.process.alive()

    def stop(self, signal_number: signal.Signals = signal.SIGTERM, *, patience: float = 10) -> None:
        """Ends the process and all of its process group: kindly first, by SIGKILL after `patience` seconds."""
        for number, seconds in ((signal_number, patience), (signal.SIGKILL, 10.0)):
            _signal_group(self.process.pid, number)
            if _within(seconds, lambda: not self.running):
                return
        raise ClusterError(f"{self.name} (process {self.process.pid}) does not end; its log is {self.log}")

    def tail(self, lines: int = 20) -> str:
        """The last lines of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_until(what: str, ready: Callable[[], bool], *, seconds: float, watching: Sequence[Daemon] = ()) -> None:
    """Polls `ready`: often at first, and ever less, as on a busy machine all that is asked makes all wait longer.

    Raises:
        ClusterError: `what` did not come true in `seconds`, or a daemon that it needs has ended; with its log's tail.
    """
    deadline, pause = time.monotonic() + seconds, _FIRST_PAUSE_SECONDS
    while not ready():
        for daemon in watching:
            if not daemon.running:
                raise ClusterError(f"{daemon.name} ended while waiting until {what}:\n{daemon.tail()}")
        if time.monotonic() > deadline:
            logs = "".join(f"\n--- {daemon.log}\n{daemon.tail()}" for daemon in watching)
            raise ClusterError(f"not true after {seconds:.0f} s: {what}{logs}")
        time.sleep(pause)
        pause = min(pause * 1.2, _LONGEST_PAUSE_SECONDS)


def answers(url: str, *, tls: SSLContext | None = None) -> bool:
    """Whether a GET of `url` is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=10, context=tls) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def ended_with_us(process: subprocess.Popen[str]) -> Iterator[None]:
    """An interruption of the block ends the program and its children: Ctrl-C does not reach their process group."""
    try:
        yield
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def end_all(run: Path) -> None:
    """Kills every process that carries the mark of `run`, and waits until all are gone.

    Raises:
        ClusterError: One does not end (it hangs in the kernel).
    """
    # A process loses its environment, and the mark in it, before all of it is gone: the first process of a PID
    # namespace stays until those in it have ended. So the wait is for the processes, not for the marks.
    ending: set[Process] = set()

    def none_left() -> bool:
        found = set(marked(run))
        for process in found:
            _kill_marked(process.pid, run)
        ending.update(found)
        return not any(process.alive() for process in ending)

    if not _within(240, none_left):
        left = ", ".join(str(process.pid) for process in ending if process.alive())
        raise ClusterError(f"these processes of {run} do not end: {left}")


def marked(run: Path) -> Iterator["Process"]:
    """The processes that belong to `run`. Those that have ended but not been waited for do not count."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _is_marked(int(entry.name), run):
            process = Process.of(int(entry.name))
            if process is not None:
                yield process


def _is_marked(pid: int, run: Path) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # It has ended, or is another user's.
        return False
    return f"{MARK}={run}".encode() in environment.split(b"\0")


def _kill_marked(pid: int, run: Path) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with suppress(ProcessLookupError), os.fdopen(handle):
        if _is_marked(pid, run):
            signal.pidfd_send_signal(handle, signal.SIGKILL)


def _signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, number)


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
