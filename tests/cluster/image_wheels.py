"""The libraries of the images as wheels, fetched on this machine, so that building the images needs no network."""

import hashlib
import platform
import sys
from pathlib import Path

from tests.cluster.cache import cache_dir
from tests.cluster.console import timed
from tests.cluster.image_base import PYTHON
from tests.cluster.steps import run_step

_REQUIREMENTS = Path(__file__).parents[2] / "requirements"
_PARTS = ("operator", "loader", "server")
# What builds our own wheel inside.
_BUILD_TOOLS = "hatchling\n"
# The newest C library that the base has; wheels for any older one down to that of manylinux2014 do as well.
_NEWEST_GLIBC, _OLDEST_GLIBC = 36, 17


def wheels() -> Path:
    """A folder with every wheel that requirements/*.txt pin for the base's Python and this machine's architecture.

    Raises:
        ClusterError: The package index is not reached, or lacks one of them.
    """
    folder = cache_dir() / "images" / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    pins = _pins(folder)
    fetched = folder / f"{hashlib.sha256(pins.encode()).hexdigest()[:12]}.complete"
    if not fetched.exists():
        with timed("libraries of the images fetched"):
            _download(pins, folder)
        fetched.touch()
    return folder


def _pins(folder: Path) -> str:
    """The pins with their markers worked out for the base's Python, whichever Python this is."""
    lines = {line for part in _PARTS for line in (_REQUIREMENTS / f"{part}.txt").read_text().splitlines()}
    libraries = _compile("\n".join(sorted(lines)), folder, "--no-deps")
    return libraries + _compile(_BUILD_TOOLS, folder, f"--constraints={_REQUIREMENTS / 'dev.txt'}")


def _compile(requirements: str, folder: Path, *options: str) -> str:
    source = folder / "requirements.in"
    source.write_text(requirements)
    target = f"{platform.machine()}-manylinux_2_{_NEWEST_GLIBC}"
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
    command += ["--no-emit-index-url", "--python-version", PYTHON, "--python-platform", target, "--only-binary=:all:"]
    return run_step([*command, *options, str(source)], what="requirements of the images")


def _download(pins: str, folder: Path) -> None:
    listed = folder / "requirements.txt"
    listed.write_text(pins)
    machine = platform.machine()
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1)]
    platforms = [f"--platform={tag}" for tag in (*tags, f"manylinux2014_{machine}")]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--progress-bar=off"]
    command += ["--implementation=cp", f"--python-version={PYTHON}", *platforms]
    run_step([*command, f"--dest={folder}", f"--requirement={listed}"], what="libraries of the images")
