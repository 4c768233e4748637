"""`python -m tests.cluster up | down | kubeconfig | status`: this checkout's cluster, for people and for the demo."""

import argparse
import sys
from collections.abc import Callable

from tests.cluster.cluster import Cluster, remove
from tests.cluster.console import say
from tests.cluster.errors import ClusterError
from tests.cluster.runs import termination_unwinds

MAX_NODES = 9


def up(options: argparse.Namespace) -> int:
    cluster = Cluster.attached()
    if cluster:
        say(f"already up, with {len(cluster.nodes)} node(s)")
    else:
        remove()
        cluster = Cluster.launch(nodes=options.nodes)
    print(f"export KUBECONFIG={cluster.kubeconfig}")
    return 0


def down(_options: argparse.Namespace) -> int:
    say("removed" if remove() else "there is none to remove")
    return 0


def kubeconfig(_options: argparse.Namespace) -> int:
    print(_running().kubeconfig)
    return 0


def status(_options: argparse.Namespace) -> int:
    cluster = _running()
    print(f"KUBECONFIG={cluster.kubeconfig}")
    print(f"the host, as pods see it: {cluster.host_address}")
    print(cluster.kubectl("get", "nodes"), end="")
    return 0


def _running() -> Cluster:
    cluster = Cluster.attached()
    if cluster is None:
        raise ClusterError("no cluster is up for this checkout: `make cluster-up` starts one")
    return cluster


def main() -> int:
    """Returns the exit code; what went wrong is said in a sentence."""
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "up": up,
        "down": down,
        "kubeconfig": kubeconfig,
        "status": status,
    }
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("command", choices=commands)
    parser.add_argument("--nodes", type=int, default=1, choices=range(1, MAX_NODES + 1), help="how many (up)")
    options = parser.parse_args()
    try:
        with termination_unwinds():
            return commands[options.command](options)
    except ClusterError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; cleared away")
        return 130


sys.exit(main())
