"""Builds the images of operator, loader and server without a container engine, a registry or, inside, a network.

buildah builds images/Dockerfile in a store of its own, below the machine's cache. `python -m tests.cluster.images`
prints the archives' paths.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.cluster import packages
from tests.cluster.cache import cache_dir, locked
from tests.cluster.console import say, timed
from tests.cluster.errors import ClusterError
from tests.cluster.image_base import base_archive, recipe
from tests.cluster.image_wheels import wheels
from tests.cluster.steps import run_step
from tests.support.release import VERSION

PARTS = ("operator", "loader", "server")
ROOT = Path(__file__).parents[2]
_BASE = "localhost/whisper-base"
# What the images are made of. A change of the first group makes the store of layers anew.
_RECIPES = ("images/Dockerfile", "requirements")
_SOURCES = (".dockerignore", "LICENSE", "pyproject.toml", "operator", "server")
_KEPT_ARCHIVES = 2


def image_name(part: str) -> str:
    return f"localhost/whisper-{part}:{VERSION}"


def build_images() -> dict[str, Path]:
    """A docker-archive of each of `PARTS`: at once when nothing has changed, else built as far as it has.

    Raises:
        ClusterError: Not root, something is missing, or a build failed; with its last lines.
    """
    if os.geteuid() != 0:
        raise ClusterError("building the images needs root: run the same command with sudo")
    folder = cache_dir() / "images"
    folder.mkdir(exist_ok=True)
    with locked(folder / "lock", waiting_for="another process that builds images"):
        archives = {part: folder / f"{part}-{key_of(*_RECIPES, *_SOURCES)}.tar" for part in PARTS}
        missing = [part for part in PARTS if not archives[part].exists()]
        if missing:
            _build(missing, archives)
        for part, archive in archives.items():
            archive.touch()
            forget_old(folder, f"{part}-*.tar", keep=_KEPT_ARCHIVES)
    return archives


def buildah(*arguments: str, what: str) -> str:
    """What `buildah ARGUMENTS` prints; it works in the store of the present recipes.

    In namespaces of its own, so that an interruption leaves no mount and no process behind.
    """
    store = _store()
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    places = [f"--root={store / 'layers'}", f"--runroot={store / 'run'}", "--storage-driver=overlay"]
    return run_step([*namespaces, "buildah", *places, *arguments], what=what)


def _build(parts: list[str], archives: dict[str, Path]) -> None:
    packages.ensure(packages.IMAGES)
    say(f"building images: {', '.join(parts)} (three minutes on 2 cores at first, less than one after a change)")
    found = wheels()
    _provide_base()
    for part in parts:
        with timed(f"image of the {part} built"):
            _build_part(part, found)
        with timed(f"image of the {part} written to {archives[part]}"):
            unfinished = archives[part].with_suffix(".unfinished")
            unfinished.unlink(missing_ok=True)
            buildah("push", "--quiet", image_name(part), f"docker-archive:{unfinished}:{image_name(part)}", what=part)
            unfinished.rename(archives[part])


def _build_part(part: str, found: Path) -> None:
    settings = [f"BASE={_BASE}", "PIP_NO_INDEX=1", f"VERSION={VERSION}"]
    arguments = [f"--build-arg={setting}" for setting in settings]
    # chroot: runs where containers cannot, and nothing here is untrusted.
    arguments += ["--isolation=chroot", "--layers", f"--build-context=wheels={found}", f"--target={part}"]
    buildah(
        "build", *arguments, f"--file={ROOT / 'images/Dockerfile'}", f"--tag={image_name(part)}", str(ROOT), what=part
    )


def _provide_base() -> None:
    store = _store()
    ready = store / "base.ready"
    if ready.exists():
        return
    for old in store.parent.glob("store-*"):
        shutil.rmtree(old)
    context = store / "base"
    context.mkdir(parents=True)
    os.link(base_archive(), context / "base.tar")
    (context / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
    with timed("base image stored"):
        buildah("build", "--isolation=chroot", f"--tag={_BASE}", str(context), what="base image")
    shutil.rmtree(context)
    ready.touch()


def _store() -> Path:
    return cache_dir() / "images" / f"store-{key_of(*_RECIPES)}"


def key_of(*inputs: str) -> str:
    """A hash of the files below `inputs`, with their names, and of the base."""
    content = hashlib.sha256(recipe().encode())
    for name in inputs:
        for file in _files(ROOT / name):
            content.update(f"{file.relative_to(ROOT)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return content.hexdigest()[:16]


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    yield from sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def forget_old(folder: Path, pattern: str, *, keep: int) -> None:
    """Removes all but the archives that were asked for last: a checkout of another state may be testing with one."""
    by_use = sorted(folder.glob(pattern), key=lambda archive: archive.stat().st_mtime, reverse=True)
    for archive in by_use[keep:]:
        archive.unlink()


if __name__ == "__main__":
    for built, path in build_images().items():
        print(f"{image_name(built)}\t{path}")
