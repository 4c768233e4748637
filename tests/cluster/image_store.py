"""The images unpacked once for all nodes: importing them takes half a minute of the CPU, for each node that does it.

A containerd that runs for this alone makes its root folder, which is kept in the machine's cache. Nodes begin with hard
links to it: containers write to layers of their own, and what is removed from the cache stays with the nodes.
"""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.cache import cache_dir, locked
from tests.cluster.console import timed
from tests.cluster.steps import run_step

_SCRIPT = Path(__file__).with_name("unpack_images.sh")
# What containerd writes to in place: its tables of images, layers and snapshots.
_TABLES = ("io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db")
_KEPT = 2


def identity(archive: Path) -> str:
    """Names an archive; the time is left out, since the cache touches what it uses."""
    known = archive.stat()
    return f"{archive.name} {known.st_ino} {known.st_size}"


def provide(archives: Sequence[Path], root: Path) -> None:
    """Makes `root` the root folder of a containerd that has the images of these docker-archives.

    Raises:
        ClusterError: containerd refuses an archive.
    """
    folder = cache_dir() / "images"
    with locked(folder / "unpacked.lock", waiting_for="another process that unpacks images"):
        key = hashlib.sha256("\n".join(map(identity, archives)).encode()).hexdigest()[:16]
        store = folder / f"unpacked-{key}"
        if not store.exists():
            _unpack(archives, store)
        store.touch()
        _forget_old(folder)
        _copy(store, root)


def _unpack(archives: Sequence[Path], store: Path) -> None:
    unfinished = store.with_suffix(".unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    # In namespaces of its own, so that an interruption leaves no mount and no process behind.
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with timed("images unpacked"):
        run_step([*namespaces, "sh", str(_SCRIPT), str(unfinished), *map(str, archives)], what="images")
    unfinished.rename(store)


def _copy(store: Path, root: Path) -> None:
    one_disk = store.stat().st_dev == root.parent.stat().st_dev
    links = ["--link"] if one_disk else []
    run_step(["cp", "--archive", "--no-target-directory", *links, str(store), str(root)], what="images for a node")
    for table in _TABLES:
        (root / table).unlink()
        shutil.copy(store / table, root / table)


def _forget_old(folder: Path) -> None:
    stores = sorted(folder.glob("unpacked-*"), key=lambda store: store.stat().st_mtime, reverse=True)
    for store in stores[_KEPT:]:
        shutil.rmtree(store)
