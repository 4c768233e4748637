"""Gives each cluster of a machine a slot, a number from which all its names and address ranges follow.

Two checkouts thus never share a link, a range or a cgroup. A slot is taken by a symbolic link to the run's folder; its
names can be found from the link after a crash, and swept.
"""

import ipaddress
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cache import locked
from tests.cluster.errors import ClusterError

SLOTS = 16
_TAKEN = Path("/run/whisper-operator")


@dataclass(frozen=True)
class Slot:
    """What belongs to the cluster with this number; all its addresses are in one /14 of 10.64.0.0/10."""

    number: int

    @property
    def name(self) -> str:
        """Its link on the host and its top cgroup."""
        return f"whisper-{self.number:02}"

    @property
    def host(self) -> str:
        """The host's address on the nodes' network: the API server's, and whatever else pods are to reach."""
        return f"10.{self._first}.0.1"

    @property
    def nodes_range(self) -> str:
        return f"10.{self._first}.0.0/16"

    @property
    def pods_range(self) -> str:
        return f"10.{self._first + 1}.0.0/16"

    @property
    def services_range(self) -> str:
        return f"10.{self._first + 2}.0.0/16"

    @property
    def kubernetes_service(self) -> str:
        return f"10.{self._first + 2}.0.1"

    def node_address(self, node: int) -> str:
        return f"10.{self._first}.1.{node}"

    def node_pods_range(self, node: int) -> str:
        return f"10.{self._first + 1}.{node}.0/24"

    @property
    def whole_range(self) -> str:
        return f"10.{self._first}.0.0/14"

    @property
    def _first(self) -> int:
        return 64 + 4 * self.number


def take_slot(run: Path) -> Slot:
    """Takes a slot that no cluster has and whose addresses the host does not route anywhere yet.

    Raises:
        ClusterError: All are taken.
    """
    routed = _routed()
    for slot in map(Slot, range(SLOTS)):
        own = ipaddress.ip_network(slot.whole_range)
        if not _link(slot).is_symlink() and not any(own.overlaps(other) for other in routed):
            _link(slot).symlink_to(run)
            return slot
    raise ClusterError(
        f"all {SLOTS} address ranges of 10.64.0.0/10 are in use: `python -m tests.cluster down` frees one"
    )


def slot_of(run: Path) -> Slot | None:
    """The slot that `run` has taken."""
    return next((slot for slot in map(Slot, range(SLOTS)) if _target(slot) == run), None)


def free_slot(slot: Slot) -> None:
    _link(slot).unlink(missing_ok=True)


def taken_slots() -> dict[Slot, Path]:
    """Every slot that is taken, with the folder of its run, whichever checkout or cache that belongs to."""
    targets = {slot: _target(slot) for slot in map(Slot, range(SLOTS))}
    return {slot: run for slot, run in targets.items() if run is not None}


@contextmanager
def machine_lock() -> Iterator[None]:
    """Held while slots are taken or swept, and packages installed: one process of the machine at a time."""
    _TAKEN.mkdir(exist_ok=True)
    with locked(_TAKEN / "lock", waiting_for="another process that starts a cluster or installs packages"):
        yield


def _link(slot: Slot) -> Path:
    return _TAKEN / f"slot-{slot.number}"


def _target(slot: Slot) -> Path | None:
    link = _link(slot)
    return link.readlink() if link.is_symlink() else None


def _routed() -> list[ipaddress.IPv4Network]:
    """What the host has routes to, its default route aside."""
    shown = subprocess.run(["ip", "-json", "-4", "route"], check=True, capture_output=True, text=True)
    destinations = [route["dst"] for route in json.loads(shown.stdout)]
    return [ipaddress.IPv4Network(destination) for destination in destinations if destination != "default"]
