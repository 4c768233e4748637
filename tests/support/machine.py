"""What a cluster could leave behind on the machine, as a set to compare before and after."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.cache import cache_dir
from tests.cluster.cluster import Cluster
from tests.cluster.processes import Process, marked
from tests.cluster.slots import SLOTS, Slot, slot_of, taken_slots

CGROUPS = Path("/sys/fs/cgroup")
SLOT_NAMES = frozenset(Slot(number).name for number in range(SLOTS))
# Where node_init.sh mounts, and kubelet and containerd by default.
NODE_MOUNTS = ("/run", "/var/run", "/var/lib", "/var/log", "/proc", "/sys")
# Each prints one thing a line.
LISTINGS = (
    ("ip", "-brief", "link"),
    ("ip", "route", "show", "table", "all", "type", "unicast"),
    ("ip", "netns"),
    ("iptables-save",),
)


def machine() -> set[str]:
    """The machine's links, routes, namespaces, firewall rules, mounts, cgroups (not pods') and this cache's runs.

    What belongs to the clusters of other checkouts, which may come and go meanwhile, is left out.
    """
    others = [slot.name for slot, run in taken_slots().items() if not run.is_relative_to(cache_dir())]
    return {fact for fact in _facts() if not any(other in fact for other in others)}


def processes_of(cluster: Cluster) -> list[Process]:
    """The cluster's processes: those that carry its mark and, found apart from it, all in its cgroups."""
    run = cluster.kubeconfig.parents[1]
    slot = slot_of(run)
    assert slot is not None, "the cluster runs"
    cgroups = [path for path in CGROUPS.rglob("cgroup.procs") if slot.name in path.parts]
    contained = {Process.of(int(pid)) for path in cgroups for pid in path.read_text().split()}
    return [*marked(run), *(process for process in contained if process)]


def name_of(process: Process) -> str:
    return Path(f"/proc/{process.pid}/comm").read_text().strip()


def _could_be_ours(mount: str) -> bool:
    """Whether a cluster could have made it. Others on the machine (image builds) mount and unmount things meanwhile."""
    return str(cache_dir()) in mount or mount.split()[1].startswith(NODE_MOUNTS)


def _cgroups() -> Iterator[str]:
    """Two levels of all cgroups, and below them the clusters' own but for those of pods.

    A running kubelet removes the ones of finished pods when it comes to it, and what else runs on the machine makes and
    removes some below its own.
    """
    # os.walk passes over what another cluster removes meanwhile; Path.rglob fails on it.
    for folder, inner, _ in os.walk(CGROUPS):
        yield folder
        parts = Path(folder).relative_to(CGROUPS).parts
        if len(parts) > 1 and (parts[-1] == "kubepods" or parts[1] not in SLOT_NAMES):
            inner.clear()


def _facts() -> Iterator[str]:
    for command in LISTINGS:
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        # Counters and the time that iptables-save was called do not count.
        yield from (f"{command[0]}: {line.split('[')[0]}" for line in shown.splitlines() if not line.startswith("#"))
    yield from (f"mount: {line}" for line in Path("/proc/self/mounts").read_text().splitlines() if _could_be_ours(line))
    yield from (f"cgroup: {folder}" for folder in _cgroups())
    yield from (f"run: {path.name}" for path in (cache_dir() / "runs").glob("*"))
    yield from (f"slot: {slot.name} {run}" for slot, run in taken_slots().items())
