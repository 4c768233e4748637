"""The version, from its one place, and what a release writes: `make release NEXT=0.2.0` runs this as a program.

pyproject.toml says which version this is. Chart, images, examples and pages repeat it, since they are read, or run, as
they are; a test compares them, and a release writes them anew.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "pyproject.toml"
CHANGELOG = "CHANGELOG.md"
#: Where the version is repeated.
COPIES = ("helm/*/Chart.yaml", "images/*", "examples/*.yaml", "docs/*.md")

VERSION: str = tomllib.loads((ROOT / PROJECT).read_text())["project"]["version"]

_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
# An image's tag, an archive of the chart, and the lines of Chart.yaml and Dockerfile.
_COPY = re.compile(
    r"(whisper-(?:operator|loader|server):|whisper-operator-|charts/whisper-operator --version |^ARG VERSION="
    r"|^version: |^appVersion: )([0-9]+\.[0-9]+\.[0-9]+)",
    re.MULTILINE,
)


class ReleaseError(Exception):
    """Something is not as a release needs it; the text says what to do."""


def copies(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Yield each file that repeats the version, and each version in it."""
    for file in sorted(file for pattern in COPIES for file in root.glob(pattern)):
        for _, version in _COPY.findall(file.read_text()):
            yield file.relative_to(root), version


def set_version(version: str, root: Path = ROOT) -> None:
    """Write the version into its place and all copies.

    Raises:
        ReleaseError: it is no version that Python, Helm and registries all take.
    """
    if not _VERSION.fullmatch(version):
        raise ReleaseError(f"{version!r} is not of the form 1.2.3, which Python, Helm and registries all take")
    project = root / PROJECT
    project.write_text(re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', project.read_text(), count=1))
    for file in {file for file, _ in copies(root)}:
        (root / file).write_text(_COPY.sub(rf"\g<1>{version}", (root / file).read_text()))


def notes(version: str, changelog: str) -> str:
    """Return what the changelog says of a version.

    Raises:
        ReleaseError: nothing.
    """
    found = re.search(rf"(?ms)^## {re.escape(version)} - .*?\n(.*?)(?=^## |\Z)", changelog)
    if not found:
        raise ReleaseError(f"{CHANGELOG} says nothing of {version}: run make release NEXT={version}")
    return found[1].strip() + "\n"


def check_tag(tag: str) -> None:
    """Raise ReleaseError unless the tag is that of this version, and the changelog tells of it."""
    if tag != f"v{VERSION}":
        raise ReleaseError(f"the tag {tag} is not that of version {VERSION}, which {PROJECT} says this is")
    notes(VERSION, (ROOT / CHANGELOG).read_text())


def prepare(version: str) -> None:
    """Write a release: the version, and the changelog's section of it. It is for a person to commit and tag."""
    set_version(version)
    towncrier = Path(sys.executable).with_name("towncrier")
    subprocess.run([towncrier, "build", "--yes", f"--version={version}"], cwd=ROOT, check=True)
    print(f"release: now read {CHANGELOG}, commit, and push the tag v{version}")


def main(arguments: list[str]) -> None:
    match arguments:
        case ["prepare", version]:
            prepare(version)
        case ["check", tag]:
            check_tag(tag)
        case ["notes"]:
            print(notes(VERSION, (ROOT / CHANGELOG).read_text()), end="")
        case _:
            raise ReleaseError("usage: python -m tests.support.release prepare VERSION | check TAG | notes")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ReleaseError as problem:
        sys.exit(f"release: {problem}")
