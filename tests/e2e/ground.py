"""What the e2e tests stand on: a cluster with the images, an S3 server beside it, the operator installed by helm."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.images import build_images
from tests.support.chart import CHART, helm
from tests.support.release import VERSION
from tests.support.s3 import S3Server

OPERATOR_NAMESPACE = RELEASE = "whisper-operator"
BUCKET = "models"


@contextmanager
def cluster(*, nodes: int = 1) -> Iterator[Cluster]:
    """Start a cluster whose nodes have the images."""
    with Cluster.start(nodes=nodes, images=list(build_images().values())) as running:
        yield running


@contextmanager
def bucket(cluster: Cluster) -> Iterator[S3Server]:
    """Start an S3 server with a bucket, which the cluster's pods reach."""
    with S3Server.start(host=cluster.host_address) as server:
        server.create_bucket(BUCKET)
        yield server


def install_operator(cluster: Cluster, *values: str, chart: Path = CHART) -> str:
    """Install the operator by its chart, or upgrade it, with these values beside; return its namespace."""
    _helm(
        cluster,
        *("upgrade", "--install", RELEASE, str(chart), "--create-namespace", "--set=images.registry=localhost"),
        *(f"--set=images.{part}.tag={VERSION}" for part in ("operator", "loader", "server")),
        *(f"--set={value}" for value in values),
        *("--wait", "--timeout=400s"),
    )
    return OPERATOR_NAMESPACE


def roll_back_operator(cluster: Cluster) -> None:
    """Take the last upgrade of the operator back."""
    _helm(cluster, "rollback", RELEASE, "--wait", "--timeout=400s")


def _helm(cluster: Cluster, *arguments: str) -> str:
    return helm(*arguments, f"--kubeconfig={cluster.kubeconfig}", f"--namespace={OPERATOR_NAMESPACE}")
