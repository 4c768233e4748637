"""What the integration tests share: one control plane for all, and the operator for those that want it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane, Settings
from tests.integration.audit import Audit, flags
from tests.integration.operator_process import OperatorProcess
from tests.integration.world import World, world_in
from tests.support.chart import NAMESPACE, of_kind, render
from tests.support.whispermodels import install_crd

_RIGHTS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


@pytest.fixture(scope="session")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return Audit(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="session")
def control_plane(audit: Audit) -> Iterator[ControlPlane]:
    with ControlPlane.start(Settings(apiserver_flags=flags(audit))) as running:
        yield running


@pytest.fixture(scope="session")
def operator_kubeconfig(control_plane: ControlPlane) -> Path:
    """The operator's ServiceAccount with the rights that the chart gives it, and no others."""
    objects = [one for kind in _RIGHTS for one in of_kind(render(), kind)]
    (account,) = of_kind(objects, "ServiceAccount")
    kubectl = control_plane.kubectl
    install_crd(kubectl)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(namespace))
    kubectl.apply(*objects)
    return control_plane.kubeconfig_for(NAMESPACE, account["metadata"]["name"])


@pytest.fixture(scope="session")
def session_operator(operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    process = OperatorProcess(operator_kubeconfig, tmp_path_factory.mktemp("operator") / "operator.log")
    process.start()
    yield process
    process.stop()


@pytest.fixture
def operator(session_operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """The operator, running; whatever the test does to it, the next one finds it running."""
    session_operator.start()
    session_operator.story()
    yield session_operator
    print(session_operator.story())  # pytest shows it when the test has failed
    assert not session_operator.defects(), "the operator met a defect of its own"


@pytest.fixture
def world(control_plane: ControlPlane, operator: OperatorProcess) -> Iterator[World]:
    """A namespace of its own, in which the operator is at work."""
    with world_in(control_plane) as world:
        yield world


@pytest.fixture
def lone_world(control_plane: ControlPlane, operator: OperatorProcess) -> Iterator[World]:
    """A namespace in which the operator for all namespaces is not at work."""
    operator.stop()
    with world_in(control_plane) as world:
        yield world
    operator.start()
