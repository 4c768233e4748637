"""Two nodes: a volume that only one of them may mount, and a node that is lost with all that runs on it."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import STORAGE_CLASS, Cluster
from tests.e2e import ground
from tests.e2e.place import SMALL, Place
from tests.support.archives import Archives
from tests.support.s3 import S3Server
from tests.support.throttle import throttled

pytestmark = pytest.mark.slow

#: A node is given up 40 s after its last word, and the pull on it 2 minutes after its pod was told to end.
LOST_SECONDS = 600
#: Both run as long as their node is only slow; five seconds after it is given up, they are made anew elsewhere.
MOVES = {
    "tolerations": [
        {"key": f"node.kubernetes.io/{trouble}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
        for trouble in ("not-ready", "unreachable")
    ]
}


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Cluster]:
    with ground.cluster(nodes=2) as running:
        # The operator outlives the loss of the other node.
        ground.install_operator(running, "operator.nodeSelector.kubernetes\\.io/hostname=node-1")
        yield running


@pytest.fixture(scope="module")
def bucket(two_nodes: Cluster) -> Iterator[S3Server]:
    with ground.bucket(two_nodes) as server:
        yield server


@pytest.fixture
def place(two_nodes: Cluster, bucket: S3Server, request: pytest.FixtureRequest) -> Iterator[Place]:
    with Place.made(two_nodes, bucket, Path(request.node.name).name) as made:
        yield made


def nodes_of(place: Place, component: str) -> set[str]:
    """On which nodes the pods of this kind run."""
    pods = place.cluster.kubectl.get("pods", f"--namespace={place.namespace}", "--selector", f"{COMPONENT}={component}")
    return {pod["spec"].get("nodeName", "") for pod in pods["items"] if "deletionTimestamp" not in pod["metadata"]}


COMPONENT = "app.kubernetes.io/component"


def test_with_a_volume_of_one_node_a_pull_goes_where_the_servers_are(place: Place, archives: Archives) -> None:
    place.s3.put("models", "small.tar.zst", archives.whole())
    place.cluster.add_volume(f"{place.namespace}-store", access_mode="ReadWriteOnce")
    one_node = {"cache": {"storageClassName": STORAGE_CLASS, "size": "1Gi", "accessModes": ["ReadWriteOnce"]}}
    server = {"device": "cpu", "resources": SMALL, "nodeSelector": {"kubernetes.io/hostname": "node-1"}}
    source = place.s3_source("small.tar.zst")
    place.apply("small", source, conversion={"quantization": "float32"}, server=server, **one_node)
    place.wait_ready("small")
    first = place.status("small")["artifact"]["digest"]
    assert nodes_of(place, "server") == nodes_of(place, "pull") == {"node-1"}
    # Nothing but the servers' own place now tells where the volume is.
    server.pop("nodeSelector")
    place.apply("small", source, conversion={"quantization": "int8"}, server=server, **one_node)
    place.wait_for("small", "another revision serves", lambda: place.status("small")["artifact"]["digest"] != first)
    assert nodes_of(place, "pull") == {"node-1"}


def test_what_a_lost_node_served_and_pulled_is_served_and_pulled_elsewhere(place: Place, archives: Archives) -> None:
    place.s3.put("models", "small.tar.zst", archives.whole())
    place.volume("store")
    place.volume("other")
    other, lost = place.cluster.nodes  # this machine's way to Services is by the first one
    server = {"device": "cpu", "resources": SMALL, **MOVES}
    pull = {"resources": SMALL, **MOVES}
    slow = archives.whole().stat().st_size // 60
    is_lost = threading.Event()
    relayed = throttled(place.s3.host, (place.s3.host, place.s3.port), bytes_per_second=slow, until=is_lost)
    with relayed as port:
        place.cluster.kubectl("cordon", other.name)
        place.apply("serves", place.s3_source("small.tar.zst"), server=server, pull=pull)
        place.wait_ready("serves")
        crawling = place.s3_source("small.tar.zst", endpoint=f"http://{place.s3.host}:{port}")
        place.apply("pulls", crawling, server=server, pull=pull)
        place.wait_for("pulls", "bytes come", lambda: place.status("pulls").get("pull", {}).get("percent", 0) > 0)
        place.cluster.kubectl("uncordon", other.name)
        lost.link_down()
        lost.kill_kubelet()
        is_lost.set()
        try:
            within(place, "serves", lambda: nodes_of(place, "server") == {other.name})
            within(place, "serves", lambda: place.condition("serves", "Ready")["status"] == "True")
            assert place.transcribe("serves", "en-01.flac") == ["Hello."]
            within(place, "pulls", lambda: place.condition("pulls", "Ready").get("status") == "True")
            assert any(name.endswith("-2") for name in place.names("jobs"))
            assert place.transcribe("pulls", "en-01.flac") == ["Hello."]
        finally:
            lost.link_up()
            lost.start_kubelet()


def within(place: Place, name: str, true: Callable[[], bool]) -> None:
    """Wait as long as it takes until a node is known to be lost, and more."""
    deadline = time.monotonic() + LOST_SECONDS
    while not true():
        assert time.monotonic() < deadline, place.story(name)
        time.sleep(1)
