"""Running the programs of kind and Docker, with their own words when they fail."""

import subprocess
from pathlib import Path

from tests.demo.target import DemoError

ROOT = Path(__file__).resolve().parents[2]


def output(*command: str) -> str:
    """Return what a command prints.

    Raises:
        DemoError: it failed; with what it said.
    """
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise DemoError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def shown(*command: str) -> None:
    """Run a command that shows its own progress.

    Raises:
        DemoError: it failed.
    """
    code = subprocess.run(command, check=False, cwd=ROOT).returncode
    if code:
        raise DemoError(f"{' '.join(command)} ended with {code}: see above")
