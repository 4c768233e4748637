"""A real metrics-server beside a cluster: from it autoscalers know how much CPU pods use."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster import binaries
from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError
from tests.cluster.ports import free_port
from tests.cluster.processes import wait_until

# As often as it may be.
RESOLUTION_SECONDS = 10
_READY_SECONDS = 240
_API = "/apis/metrics.k8s.io/v1beta1"
_NAME, _NAMESPACE = "metrics-server", "kube-system"


@contextmanager
def metrics_server(cluster: Cluster) -> Iterator[None]:
    """Run it, and let the API server ask it, while the block runs.

    Raises:
        ClusterError: It does not tell of pods in time; with what it said.
    """
    assert cluster.control_plane is not None, "another process's cluster ends when that wants it"
    host, port = cluster.host_address, free_port(cluster.host_address)
    with tempfile.TemporaryDirectory(prefix="whisper-metrics-") as folder:
        daemon = cluster.control_plane.start_beside(_NAME, _command(cluster, host, port, folder))
        try:
            cluster.kubectl.apply(*_objects(host, port))
            wait_until("pods' metrics are told", lambda: _tells(cluster), seconds=_READY_SECONDS, watching=[daemon])
            yield
        finally:
            daemon.stop()
            cluster.kubectl("delete", "apiservice", "v1beta1.metrics.k8s.io", "--ignore-not-found")


def _command(cluster: Cluster, host: str, port: int, folder: str) -> list[str | Path]:
    kubeconfig = cluster.kubeconfig
    return [
        binaries.metrics_server(),
        *(f"--{use}kubeconfig={kubeconfig}" for use in ("", "authentication-", "authorization-")),
        f"--bind-address={host}",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        f"--metric-resolution={RESOLUTION_SECONDS}s",
        f"--kubelet-request-timeout={RESOLUTION_SECONDS // 2}s",
        "--kubelet-preferred-address-types=InternalIP",
        "--kubelet-insecure-tls",
    ]


def _objects(host: str, port: int) -> list[dict[str, Any]]:
    metadata = {"name": _NAME, "namespace": _NAMESPACE}
    ports = [{"name": "https", "port": 443, "targetPort": port}]
    addresses = [{"name": "https", "port": port}]
    labels = {"kubernetes.io/service-name": _NAME}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**metadata, "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [host]}],
            "ports": addresses,
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "insecureSkipTLSVerify": True,
                "service": {"name": _NAME, "namespace": _NAMESPACE},
            },
        },
    ]


def _tells(cluster: Cluster) -> bool:
    try:
        pods = cluster.api.get(f"{_API}/pods")
    except ClusterError:
        return False
    return bool(pods and pods["items"])
