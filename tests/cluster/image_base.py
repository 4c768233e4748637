"""The base of the images where no registry is reached: a small Debian with Python, made from Debian's packages."""

import hashlib
import json
import platform
import shutil
import subprocess
from pathlib import Path

from tests.cluster import packages
from tests.cluster.cache import cache_dir
from tests.cluster.console import say, timed
from tests.cluster.steps import run_step

SUITE = "bookworm"
#: The Python of that Debian.
PYTHON = "3.11"
_INCLUDED = "python3,python3-venv,ca-certificates"
# Package lists, documentation and translations: half of the size, and nothing that a server reads.
_LEFT_OUT = (
    "./var/lib/apt/lists/*", "./var/cache/*", "./var/log/*", "./dev/*",
    "./usr/share/doc/*", "./usr/share/info/*", "./usr/share/locale/*", "./usr/share/man/*",
)  # fmt: skip


def recipe() -> str:
    """A short hash of what the base is made of."""
    return hashlib.sha256(json.dumps([SUITE, _INCLUDED, _LEFT_OUT, platform.machine()]).encode()).hexdigest()[:12]


def base_archive() -> Path:
    """The base's files in a tar, from the cache or made anew.

    Raises:
        ClusterError: A package is missing and cannot be installed, or Debian's packages are not reached.
    """
    archive = cache_dir() / "images" / f"base-{SUITE}-{recipe()}.tar"
    if archive.exists():
        return archive
    packages.ensure(packages.IMAGES)
    say(f"making a base image from Debian {SUITE}: about a minute, once a machine")
    folder, unfinished = archive.with_suffix(".root"), archive.with_suffix(".unfinished")
    _remove(folder)
    with timed(f"base image of Debian {SUITE} made"):
        _bootstrap(folder)
        excluded = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
        run_step(["tar", f"--directory={folder}", *excluded, "-cf", str(unfinished), "."], what="base image")
    unfinished.rename(archive)
    _remove(folder)
    return archive


def _bootstrap(folder: Path) -> None:
    # In a mount namespace of its own, so that an interruption leaves no /proc mounted in the folder.
    command = ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={_INCLUDED}", SUITE]
    run_step([*command, str(folder), *_mirror()], what="base image")


def _mirror() -> list[str]:
    """The mirror that this machine's own apt uses for the same Debian; none leaves the choice to debootstrap."""
    if shutil.which("apt-get") is None:
        return []
    query = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {SUITE}"]
    listed = subprocess.run([*query, "Component: main"], check=True, capture_output=True, text=True)
    return listed.stdout.split()[:1]


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
