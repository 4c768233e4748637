"""A table that is kept as it grows, so that a long run that is ended has told what it found until then."""

from pathlib import Path

RESULTS = Path(__file__).parent / "results"


class Report:
    """Markdown that goes to a file and to standard output, part by part."""

    def __init__(self, path: Path) -> None:
        """Begin `path` anew."""
        self._path = path
        path.write_text("")

    def add(self, text: str) -> None:
        """Add a part."""
        print(f"{text}\n", flush=True)
        with self._path.open("a") as file:
            file.write(f"\n{text}\n" if file.tell() else f"{text}\n")
