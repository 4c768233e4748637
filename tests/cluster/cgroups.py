"""The cgroups that a cluster's pods live in: made before kubelet wants them, removed when the pods are gone."""

from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def create(path: str) -> None:
    """Makes the cgroup `path` (its parents too) in every hierarchy of version 1, or in the one of version 2."""
    for hierarchy in _hierarchies():
        current = hierarchy
        for part in Path(path).parts:
            _hand_down_controllers(current)
            current /= part
            current.mkdir(exist_ok=True)
            _fill_in_cpuset(current)


def remove(name: str) -> None:
    """Removes the top-level cgroup `name` and all below it, whose processes have ended."""
    for hierarchy in _hierarchies():
        top = hierarchy / name
        for folder in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
            folder.rmdir()
        if top.is_dir():
            top.rmdir()


def _hierarchies() -> Iterator[Path]:
    if _is_version_2():
        yield _ROOT
    else:
        yield from (path for path in _ROOT.iterdir() if path.is_dir() and not path.is_symlink())


def _hand_down_controllers(cgroup: Path) -> None:
    """Version 2: a cgroup's children have only the controllers that it names."""
    if _is_version_2():
        available = (cgroup / "cgroup.controllers").read_text().split()
        (cgroup / "cgroup.subtree_control").write_text(" ".join(f"+{controller}" for controller in available))


def _is_version_2() -> bool:
    """Whether version 2 is all there is; where both are mounted, the controllers that matter are with version 1."""
    return (_ROOT / "cgroup.controllers").exists()


def _fill_in_cpuset(cgroup: Path) -> None:
    """Version 1: a new cpuset is empty, and no process can enter it."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        own = cgroup / name
        if not _is_version_2() and own.exists() and not own.read_text().strip():
            own.write_text((cgroup.parent / name).read_text())
