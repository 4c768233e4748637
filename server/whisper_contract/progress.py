"""The progress line: one a second on the standard output of a pull pod's container, read from the log's tail.

    progress step=pull percent=41 bytes=431201 total=1051702 rate=80123456 eta=12

`total`, `percent` and `eta` are absent while the size is unknown.
"""

import re
from dataclasses import dataclass

_PREFIX = "progress "
_PAIR = re.compile(r"([a-z]+)=([A-Za-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step has come.

    Attributes:
        step: pull, convert or publish.
        bytes_done: bytes worked through so far.
        bytes_total: bytes in all; None while unknown.
        bytes_per_second: the recent rate.
    """

    step: str
    bytes_done: int
    bytes_total: int | None
    bytes_per_second: int

    @property
    def percent(self) -> int | None:
        """Whole percent, rounded down so that 100 means done; None while the size is unknown."""
        if self.bytes_total is None:
            return None
        if self.bytes_total == 0:
            return 100
        return min(100, self.bytes_done * 100 // self.bytes_total)

    @property
    def eta_seconds(self) -> int | None:
        """Seconds to go at the recent rate; None while size or rate is unknown."""
        if self.bytes_total is None or self.bytes_per_second <= 0:
            return None
        return max(0, self.bytes_total - self.bytes_done) // self.bytes_per_second

    def format(self) -> str:
        """Return the line, without its line feed."""
        pairs: list[tuple[str, object]] = [
            ("step", self.step),
            ("percent", self.percent),
            ("bytes", self.bytes_done),
            ("total", self.bytes_total),
            ("rate", self.bytes_per_second),
            ("eta", self.eta_seconds),
        ]
        return _PREFIX + " ".join(f"{key}={value}" for key, value in pairs if value is not None)

    @classmethod
    def parse_line(cls, line: str) -> "Progress | None":
        """Return the progress that `line` tells, or None when it is another line of the log."""
        if not line.startswith(_PREFIX):
            return None
        pairs = dict(_PAIR.findall(line))
        try:
            total = pairs.get("total")
            return cls(pairs["step"], int(pairs["bytes"]), None if total is None else int(total), int(pairs["rate"]))
        except (KeyError, ValueError):
            return None
