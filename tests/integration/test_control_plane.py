"""The control plane that the integration tests stand on: it works, and it leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import runs
from tests.cluster.cache import cache_dir
from tests.cluster.control_plane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.kubeconfig import Kubectl
from tests.cluster.processes import Process, marked

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]
# A shell's background jobs, CI's too, start with Ctrl-C ignored.
HOLDER = """
import signal
import time
from tests.cluster.control_plane import ControlPlane
signal.signal(signal.SIGINT, signal.default_int_handler)
with ControlPlane.start() as control_plane:
    print(control_plane.kubeconfig, flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module", autouse=True)
def nothing_left(control_plane: ControlPlane) -> Iterator[None]:
    """Other modules go on with the same control plane."""
    yield
    made = ("deployment/web", "configmap/kept", "serviceaccount/reader", "role/reader", "rolebinding/reader")
    control_plane.kubectl("delete", "--ignore-not-found", *made)


def test_controllers_make_the_objects_of_a_deployment(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "deployment", "web", "--image=localhost/web")
    control_plane.kubectl("wait", "replicaset", "--selector=app=web", "--for=create", "--timeout=240s")


def test_data_survive_a_restart_of_the_api_server(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "configmap", "kept", "--from-literal=key=value")
    control_plane.restart_apiserver()
    assert control_plane.kubectl.get("configmap", "kept")["data"] == {"key": "value"}


def test_a_service_account_may_do_what_its_role_says_and_no_more(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "serviceaccount", "reader")
    control_plane.kubectl("create", "role", "reader", "--verb=list", "--resource=configmaps")
    control_plane.kubectl("create", "rolebinding", "reader", "--role=reader", "--serviceaccount=default:reader")
    reader = Kubectl(control_plane.kubeconfig_for("default", "reader"))
    assert reader.get("configmaps")["kind"] == "List"
    with pytest.raises(ClusterError, match='cannot list resource "secrets"'):
        reader("get", "secrets")


def test_an_unknown_field_is_refused(control_plane: ControlPlane) -> None:
    with pytest.raises(ClusterError, match="unknown field"):
        control_plane.kubectl.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "odd"}, "daat": {"key": "value"}}
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "termination"])
def test_two_run_side_by_side_and_one_that_is_interrupted_leaves_nothing_and_ends_only_its_own(
    control_plane: ControlPlane, number: signal.Signals
) -> None:
    holder, run = start_holder()
    processes = list(marked(run))
    holder.send_signal(number)
    holder.wait(240)
    assert len(processes) == 3
    assert not any(process.alive() for process in processes)
    assert not run.exists()
    assert control_plane.kubectl.get("namespace", "default")["status"]["phase"] == "Active"


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a checkout with a cache of its own, where no other worker's start clears away what a test has left."""
    (tmp_path / "programs").symlink_to(cache_dir() / "programs")
    monkeypatch.setenv("WHISPER_OPERATOR_CACHE", str(tmp_path))


def test_what_a_killed_harness_left_is_cleared_away_by_the_next_start(own_cache: None) -> None:
    holder, run = start_holder()
    processes = list(marked(run))
    holder.kill()
    holder.wait(240)
    assert any(process.alive() for process in processes), "nobody was there to end them"
    runs.sweep_leftovers([run], runs.end_run)
    assert not any(process.alive() for process in processes)
    assert not run.exists()


def test_a_process_is_not_mistaken_for_a_later_one_with_its_id() -> None:
    own = Process.of(os.getpid())
    assert own is not None
    assert own.alive()
    assert not Process(own.pid, own.began - 1).alive()


def start_holder() -> tuple[subprocess.Popen[str], Path]:
    """A process of its own that holds a control plane, and the folder of its run."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert holder.stdout is not None
    with holder.stdout as answer:
        kubeconfig = Path(answer.readline().strip())
    return holder, kubeconfig.parents[1]
