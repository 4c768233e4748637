"""The cluster that the e2e tests and the demo stand on: its nodes do what nodes do, and it leaves nothing behind."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.cluster import binaries
from tests.cluster.cache import cache_dir
from tests.cluster.cluster import CHECKOUT, STORAGE_CLASS, Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.processes import marked
from tests.cluster.scratch_image import write_image
from tests.support.machine import machine, name_of, processes_of

pytestmark = pytest.mark.slow

TALKER = "localhost/talker:1"
HOLDER = """
import time
from tests.cluster.cluster import Cluster
print("starting", flush=True)
with Cluster.start() as cluster:
    print(cluster.kubeconfig, flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As in a checkout with a cache of its own, so that a cluster that a person has up stays out of this."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "programs").symlink_to(cache_dir() / "programs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHISPER_OPERATOR_CACHE", str(folder))
        yield


@pytest.fixture(scope="module")
def cluster(own_cache: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster.start(nodes=2) as running:
        load_talker(running, tmp_path_factory.mktemp("talker"))
        running.kubectl.apply(talker("one", "node-1"), talker("two", "node-2"), service("one"))
        running.kubectl("wait", "pod/one", "pod/two", "--for=condition=Ready", "--timeout=240s")
        yield running


def test_pods_of_both_nodes_and_the_host_reach_a_service(cluster: Cluster) -> None:
    url = f"http://{cluster.kubectl.get('service', 'one')['spec']['clusterIP']}"
    for talks in (lambda: fetch(url), lambda: talk(cluster, "one", url), lambda: talk(cluster, "two", url)):
        assert once_noticed(talks) == "I am one"


def test_pods_reach_the_other_node_s_pods_and_the_host(cluster: Cluster) -> None:
    with served_on(cluster.host_address, "I am the host") as url:
        assert talk(cluster, "one", url) == "I am the host"
        assert talk(cluster, "two", url) == "I am the host"
    assert talk(cluster, "one", pod_url(cluster, "two")) == "I am two"


def test_gpus_that_are_not_there_are_given_to_as_many_pods(cluster: Cluster) -> None:
    cluster.advertise_gpus("node-2", 1)
    resources = {"limits": {"nvidia.com/gpu": "1"}}
    cluster.kubectl.apply(talker("gpu-one", resources=resources))
    cluster.kubectl("wait", "pod/gpu-one", "--for=condition=Ready", "--timeout=240s")
    cluster.kubectl.apply(talker("gpu-two", resources=resources))
    cluster.kubectl("wait", "pod/gpu-two", "--for=condition=PodScheduled=False", "--timeout=240s")
    assert cluster.kubectl.get("pod", "gpu-one")["spec"]["nodeName"] == "node-2"
    assert "Insufficient nvidia.com/gpu" in str(cluster.kubectl.get("pod", "gpu-two")["status"]["conditions"])
    cluster.kubectl("delete", "pod", "gpu-one", "gpu-two", "--now")


def test_unprivileged_pods_of_both_nodes_write_to_one_volume(cluster: Cluster) -> None:
    folder = cluster.add_volume("store")
    cluster.kubectl.apply(claim("store"), *(writer(node) for node in ("node-1", "node-2")))
    for node in ("node-1", "node-2"):
        succeeded = "--for=jsonpath={.status.phase}=Succeeded"
        cluster.kubectl("wait", f"pod/writer-of-{node}", succeeded, "--timeout=240s")
        assert (folder / node).read_text() == "written"


def test_a_node_whose_link_is_cut_is_out_of_reach_until_it_is_mended(cluster: Cluster) -> None:
    url = pod_url(cluster, "two")
    cluster.nodes[1].link_down()
    with pytest.raises(OSError, match=r"timed out|No route to host"):
        fetch(url, seconds=1)
    cluster.nodes[1].link_up()
    assert fetch(url) == "I am two"


def test_containers_outlive_containerd_and_are_found_again(cluster: Cluster) -> None:
    cluster.nodes[0].kill_containerd()
    assert fetch(pod_url(cluster, "one")) == "I am one"
    cluster.nodes[0].start_containerd()
    url = pod_url(cluster, "one")
    assert once_noticed(lambda: talk(cluster, "one", url)) == "I am one"


def test_a_node_without_kubelet_becomes_not_ready_and_comes_back(cluster: Cluster) -> None:
    cluster.nodes[1].kill_kubelet()
    cluster.kubectl("wait", "node/node-2", "--for=condition=Ready=Unknown", "--timeout=240s")
    assert fetch(pod_url(cluster, "two")) == "I am two"
    cluster.nodes[1].start_kubelet()
    cluster.kubectl("wait", "node/node-2", "--for=condition=Ready", "--timeout=240s")


def test_a_second_cluster_has_names_and_addresses_of_its_own_and_takes_only_those_away(
    cluster: Cluster, tmp_path: Path
) -> None:
    before = machine()
    with Cluster.start() as second:
        assert second.host_address != cluster.host_address
        assert machine() > before
        load_talker(second, tmp_path)
        second.kubectl.apply(talker("one", "node-1"))
        second.kubectl("wait", "pod/one", "--for=condition=Ready", "--timeout=240s")
        everything = processes_of(second)
        assert {"kubelet", "containerd-shim", "talker", "pause", "etcd"} <= {name_of(process) for process in everything}
    assert not [process for process in everything if process.alive()]
    assert machine() == before
    assert fetch(pod_url(cluster, "one")) == "I am one"


@pytest.mark.parametrize("seconds", [0.3, 1.5, 4])
def test_a_cluster_interrupted_while_it_starts_leaves_nothing_behind(seconds: float) -> None:
    before = machine()
    with holder() as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "starting\n"
        time.sleep(seconds)
        process.terminate()
        process.wait(240)
    assert machine() == before


def test_what_a_killed_harness_left_is_cleared_away_by_the_next_start() -> None:
    """Here by the command, whose cluster outlives it and goes when told."""
    before = machine()
    with holder() as process:
        assert process.stdout is not None
        process.stdout.readline()
        run = Path(process.stdout.readline().strip()).parents[1]
        left = list(marked(run))
        process.kill()
    assert machine() > before
    assert any(process_left.alive() for process_left in left)
    try:
        export = command("up")
        assert not any(process_left.alive() for process_left in left)
        assert not run.exists()
        assert command("up") == export, "it is up already"
        assert export == f"export KUBECONFIG={command('kubeconfig')}"
        assert "node-1   Ready" in command("status")
    finally:
        command("down")
    assert machine() == before
    with pytest.raises(
        ClusterError, match=r"^cluster: no cluster is up for this checkout: `make cluster-up` starts one$"
    ):
        command("kubeconfig")


def load_talker(cluster: Cluster, folder: Path) -> None:
    write_image(folder / "talker.tar", program=binaries.talker(), name=TALKER)
    cluster.load_image(folder / "talker.tar")


def command(*arguments: str) -> str:
    """What `python -m tests.cluster ARGUMENTS` prints."""
    program = [sys.executable, "-m", "tests.cluster", *arguments]
    done = subprocess.run(program, cwd=CHECKOUT, check=False, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise ClusterError(done.stderr.strip())
    return done.stdout.strip()


@contextmanager
def holder() -> Iterator[subprocess.Popen[str]]:
    """A process that holds a cluster until it is told otherwise."""
    program = [sys.executable, "-c", HOLDER]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(program, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=quiet, text=True) as process:
        yield process


@contextmanager
def served_on(address: str, text: str) -> Iterator[str]:
    """An HTTP server of this machine that answers `text`; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

    with HTTPServer((address, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{address}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def fetch(url: str, *, seconds: float = 10) -> str:
    with urlopen(url, timeout=seconds) as answer:
        content: bytes = answer.read()
    return content.decode()


def once_noticed(talks: Callable[[], str]) -> str:
    """What `talks` hears once the nodes have noticed a change.

    A pod may be Ready a moment before the nodes' proxies know, and kubelet dials a new containerd after a pause.
    """
    deadline = time.monotonic() + 240
    while True:
        try:
            return talks()
        except (OSError, ClusterError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def talk(cluster: Cluster, pod: str, url: str) -> str:
    """What `pod` is answered at `url`."""
    return cluster.kubectl("exec", pod, "--", "/talker", "get", url)


def pod_url(cluster: Cluster, pod: str) -> str:
    return f"http://{cluster.kubectl.get('pod', pod)['status']['podIP']}:8080"


def talker(name: str, node: str | None = None, **container: Any) -> dict[str, Any]:
    """A pod that answers `I am NAME`; or, with other `args`, does what they say once."""
    main = {"name": "main", "image": TALKER, "imagePullPolicy": "Never", "args": ["serve", f"I am {name}"], **container}
    spec: dict[str, Any] = {"containers": [main], "restartPolicy": "Never", "securityContext": {"runAsNonRoot": True}}
    if node:
        spec["nodeName"] = node
    if "volumeMounts" in container:
        spec["volumes"] = [{"name": "store", "persistentVolumeClaim": {"claimName": "store"}}]
    metadata = {"name": name, "namespace": "default", "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def writer(node: str) -> dict[str, Any]:
    """A pod that writes a file named for its node to the claim `store`."""
    mounts = [{"name": "store", "mountPath": "/store"}]
    return talker(f"writer-of-{node}", node, args=["write", f"/store/{node}", "written"], volumeMounts=mounts)


def service(app: str) -> dict[str, Any]:
    spec = {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": app, "namespace": "default"}, "spec": spec}


def claim(name: str) -> dict[str, Any]:
    spec = {
        "storageClassName": STORAGE_CLASS,
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
