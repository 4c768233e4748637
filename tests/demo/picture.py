"""Draws what the demo printed as a terminal: `make demo-picture` writes docs/pictures/demo.svg from a real run."""

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "demo.svg"
_COLUMNS = 132
# Rich would have the font fetched, and names itself with an address: a picture is looked at behind firewalls too.
_ADDRESSES = re.compile(r"@font-face \{.*?\}|<!--.*?-->", re.DOTALL)


def draw(text: str) -> str:
    """Return a terminal in which `make demo` has printed this, as SVG."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text("$ make demo", style="bold"))
    # What follows is what to try next, at addresses of this machine.
    told, _, _ = text.partition("\nThe whole way in ")
    for line in told.rstrip().splitlines():
        # Its steps are what one looks for.
        console.print(Text(line, style="bold green" if re.match(r"\[\d+\]", line) else ""))
    return _ADDRESSES.sub("", console.export_svg(title="make demo", unique_id="demo"))


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw(sys.stdin.read()))
