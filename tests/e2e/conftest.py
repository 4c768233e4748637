"""One cluster for each group of tests: images loaded, an S3 server beside it, the operator installed by helm."""

from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.cluster.cluster import Cluster
from tests.e2e import ground
from tests.e2e.place import Place
from tests.support.archives import Archives
from tests.support.s3 import S3Server

# Each group has a worker, and so a cluster, to itself; tests mostly wait, so that there may be more of them than cores.
# The modules of this folder that are not named here share one. The first three start clusters of their own.
# No more groups than workers: xdist hands a second one to a worker that has few tests left, even if another has none.
GROUPS = {
    "test_cluster.py": "clusters",
    "test_demo.py": "clusters",
    "test_nodes.py": "nodes",
    "test_changes.py": "changes",
    "test_bad_input.py": "changes",
}
SHARED = "shared"


class OneWorkerPerGroup(LoadScopeScheduling):  # type: ignore[misc]  # xdist comes without types
    """Hands each group of tests, or file of another folder, to one worker, whole.

    Marks of `xdist_group` should do this, but xdist 3.8 writes them into an attribute that pytest 9.2 no longer reads.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = PurePath(nodeid.partition("::")[0])
        return GROUPS.get(file.name, SHARED) if file.parent.name == "e2e" else str(file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneWorkerPerGroup:
    return OneWorkerPerGroup(config, log)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with ground.cluster() as running:
        yield running


@pytest.fixture(scope="session")
def s3(cluster: Cluster) -> Iterator[S3Server]:
    with ground.bucket(cluster) as server:
        yield server


@pytest.fixture(scope="session")
def operator(cluster: Cluster) -> str:
    """The operator's namespace; the operator runs there as the chart installs it."""
    return ground.install_operator(cluster)


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    return Archives(tmp_path_factory.mktemp("archives"))


@pytest.fixture
def place(cluster: Cluster, s3: S3Server, operator: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A namespace of the test's own, with the right credentials in the Secret `s3-credentials` and volumes to claim."""
    with Place.made(cluster, s3, Path(request.node.name).name) as made:
        yield made
