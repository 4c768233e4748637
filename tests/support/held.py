"""What a process holds of the machine, as the kernel counts it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Held:
    """What it holds now."""

    files: int
    threads: int
    resident_bytes: int

    @classmethod
    def by(cls, process: int) -> "Held":
        """Count it."""
        status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
        files = list(Path(f"/proc/{process}/fd").iterdir())
        return cls(len(files), int(status["Threads"]), int(status["VmRSS"].split()[0]) * 1024)
