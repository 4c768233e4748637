"""What people see of a pull: a bar that moves where there is a terminal, a line now and then where there is none."""

import io

from whisper_contract.progress import Progress
from whisper_operator.local.telling import Teller


class Terminal(io.StringIO):
    """Keeps what is drawn."""

    def isatty(self) -> bool:
        """Have a bar drawn."""
        return True


def pulled(done: int) -> Progress:
    return Progress("pull", done, 100, 5)


def test_a_bar_moves_with_the_step_and_goes_with_it() -> None:
    terminal = Terminal()
    teller = Teller(terminal)
    for done in (10, 60):
        teller.progress("small", pulled(done))
    teller.clear()
    drawn = terminal.getvalue().split("\r")
    shares = [frame[: frame.index("%")] for frame in drawn if "%" in frame]
    assert list(dict.fromkeys(shares)) == ["small pull:  10", "small pull:  60"]
    assert drawn[-1] == "", "the line is empty again"


def test_a_line_stands_above_the_bar() -> None:
    terminal = Terminal()
    teller = Teller(terminal)
    teller.progress("small", pulled(10))
    teller.tell("still here", "other")
    assert "other: still here\n" in terminal.getvalue()
    assert terminal.getvalue().rpartition("\r")[2].startswith("small pull:  10%"), "the bar is there again"
