"""Progress: once a second, in the contract's form, and where the deadline is noticed."""

import io
import os
import pty
import re
import subprocess
import termios
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.loader import COMMAND, environment
from tests.support.models import SPEECH_MODEL
from tests.support.web import Page, Web
from whisper_contract.progress import Progress
from whisper_contract.reasons import Reason
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.progress import BarDisplay, LineDisplay, Meter, Reporter


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_lines_come_once_a_second_with_the_rate_of_that_second() -> None:
    clock, stream = Clock(), io.StringIO()
    with Meter(LineDisplay("pull", stream, clock), Deadline()) as meter:
        meter.start(1000)
        for seconds, count in ((0.5, 100), (0.5, 100), (0.9, 300), (0.1, 100)):
            clock.now += seconds
            meter.advance(count)
    lines = [Progress.parse_line(line) for line in stream.getvalue().splitlines()]
    assert lines == [
        Progress("pull", 200, 1000, 200),
        Progress("pull", 600, 1000, 400),
        Progress("pull", 600, 1000, 400),
    ]


def test_a_step_with_nothing_to_do_says_nothing() -> None:
    stream = io.StringIO()
    with Meter(LineDisplay("convert", stream), Deadline()):
        pass
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with Reporter(stream, Deadline()).meter("pull") as meter:
        meter.start(2_000_000)
        meter.advance(1_000_000)
    assert "pull:" in stream.getvalue()
    assert "progress step" not in stream.getvalue()


def test_each_command_that_takes_time_draws_a_bar_on_a_terminal(tmp_path: Path) -> None:
    archive, store = tmp_path / "m.tar", tmp_path / "store"
    with Web.start() as web:
        for command in (
            ("pack", SPEECH_MODEL, "-o", archive),
            ("push", archive, web.serve("/m.tar", Page())),
            ("convert", SPEECH_MODEL, "-o", tmp_path / "model"),
            ("pull", tmp_path / "model", "--store", store),
            ("verify", "--all", "--store", store),
        ):
            shown = on_a_terminal(command)
            assert (f"{command[0]}: " in shown, "B/s]" in shown, "progress step=" in shown) == (True, True, False), (
                shown
            )
            assert re.search(r"B/s\][a-z]", shown) is None, "what is said beside it has lines of its own"


def on_a_terminal(command: Sequence[str | Path]) -> str:
    """Run whisper-model with a terminal for its standard error, and return what it showed there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    shown = b""
    with subprocess.Popen([COMMAND, *command], env=environment(), stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        with suppress(OSError):  # how a terminal says that nobody writes to it any more
            while data := os.read(ours, 65536):
                shown += data
    os.close(ours)
    assert process.returncode == 0
    return shown.decode()


def test_a_bar_is_closed_at_the_end() -> None:
    stream = io.StringIO()
    display = BarDisplay("pull", stream)
    display.show(2, 5)
    display.close(5, 5)
    display.close(5, 5)


def test_a_deadline_is_noticed_at_the_next_byte_and_not_before() -> None:
    clock = Clock()
    meter = Meter(LineDisplay("pull", io.StringIO()), Deadline(10, clock))
    clock.now += 9.9
    meter.advance(1)
    clock.now += 0.1
    with pytest.raises(LoaderError) as raised:
        meter.advance(1)
    assert (raised.value.reason, raised.value.message) == (Reason.DEADLINE_EXCEEDED, "not done within 10 s")


def test_waits_are_bounded_by_what_is_left() -> None:
    clock = Clock()
    deadline = Deadline(10, clock)
    assert deadline.remaining(60) == 10
    assert deadline.remaining(3) == 3
    clock.now += 100
    assert 0 < deadline.remaining(60) < 0.1
    assert Deadline().remaining(60) == 60
