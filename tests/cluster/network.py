"""The network that joins the nodes and the host.

A bridge in a network namespace of its own has one veth pair to the host and one to each node. Of all that, one link
named for the slot is in the host's namespace: no firewall of the host stands between nodes, and removing that link
takes the host's routes with it. From the host, pods and Services are reached through the nodes.
"""

import subprocess
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.errors import ClusterError
from tests.cluster.processes import Daemon, wait_until
from tests.cluster.slots import Slot


class Network:
    """The bridge of one cluster, and its links."""

    def __init__(self, run: Path, slot: Slot) -> None:
        self._run, self._slot = run, slot

    def start(self) -> None:
        """Makes the bridge and joins the host to it."""
        switch = Daemon.start("network", ["unshare", "--net", str(binaries.pause())], run=self._run)
        wait_until("the network has a namespace", self._is_apart, seconds=10, watching=[switch])
        self._join_host()

    def join(self, number: int, name: str, process: int, *, nodes: int) -> None:
        """Gives the node `name`, the `number`th of `nodes`, its link; `process` is in its network namespace."""
        slot = self._slot
        here = slot.node_address(number)
        others = [other for other in range(1, nodes + 1) if other != number]
        self._in_switch(
            f"link add {name} type veth peer name eth0 netns {process}", f"link set {name} master bridge up"
        )
        _ip(
            "link set lo up",
            f"address add {here}/16 dev eth0",
            "link set eth0 up",
            f"route add default via {slot.host}",
            *(f"route add {slot.node_pods_range(other)} via {slot.node_address(other)}" for other in others),
            namespace_of=process,
        )
        _ip(f"route add {slot.node_pods_range(number)} via {here} dev {slot.name}")
        if number == 1:
            _ip(f"route add {slot.services_range} via {here} dev {slot.name}")

    def set_link(self, name: str, state: str) -> None:
        """Takes the node's cable out (`down`) or puts it back (`up`)."""
        self._in_switch(f"link set {name} {state}")

    def _join_host(self) -> None:
        slot = self._slot
        self._in_switch("link add bridge type bridge", "link set bridge up")
        _ip(f"link add {slot.name} type veth peer name host netns {self._switch_pid}")
        self._in_switch("link set host master bridge up")
        _ip(f"address add {slot.host}/16 dev {slot.name}", f"link set {slot.name} up")

    def _in_switch(self, *commands: str) -> None:
        _ip(*commands, namespace_of=self._switch_pid)

    @property
    def _switch_pid(self) -> int:
        return Daemon.find("network", run=self._run).process.pid

    def _is_apart(self) -> bool:
        return Path(f"/proc/{self._switch_pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def remove_network(slot: Slot) -> None:
    """Removes the link of this slot from the host, and its routes with it. Safe to repeat."""
    link = Path(f"/sys/class/net/{slot.name}")
    if link.exists():
        # Not checked: the link may go by itself just now, for its other end's namespace has ended.
        subprocess.run(["ip", "link", "delete", slot.name], check=False, capture_output=True)
    wait_until(f"the link {slot.name} is gone", lambda: not link.exists(), seconds=10)


def _ip(*commands: str, namespace_of: int | None = None) -> None:
    """Runs `ip` commands in one go, here or in the network namespace of a process."""
    enter = [] if namespace_of is None else ["nsenter", f"--net=/proc/{namespace_of}/ns/net"]
    done = subprocess.run(
        [*enter, "ip", "-batch", "-"], check=False, capture_output=True, text=True, input="\n".join(commands) + "\n"
    )
    if done.returncode:
        raise ClusterError(f"the nodes' network cannot be made: ip {'; '.join(commands)}\n{done.stderr.strip()}")
