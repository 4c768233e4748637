"""Whatever goes wrong between the operator and the API server, and whenever the operator dies, models get there."""

import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.integration.operator_process import OperatorProcess
from tests.integration.troubled_api import Fate, TroubledAPI
from tests.integration.world import OTHER_DIGEST, World
from whisper_operator.kube import kinds

pytestmark = pytest.mark.slow

WRITES = {"POST", "PATCH", "PUT", "DELETE"}


@pytest.fixture
def troubled(control_plane: ControlPlane) -> Iterator[TroubledAPI]:
    relay = TroubledAPI(control_plane.url, control_plane.authority.certificate)
    with relay.serve():
        yield relay


@pytest.fixture
def troubled_operator(
    lone_world: World, troubled: TroubledAPI, operator_kubeconfig: Path, tmp_path: Path
) -> Iterator[OperatorProcess]:
    """The only operator at work in the world, and only there; it reaches the API server through the relay."""
    kubeconfig = troubled.kubeconfig(operator_kubeconfig, tmp_path / "kubeconfig")
    process = OperatorProcess(kubeconfig, tmp_path / "operator.log", f"--namespaces={lone_world.namespace}")
    process.start()
    yield process
    print(process.story())
    if process.ended() is None:
        process.stop()


class Once:
    """Each request, told apart by method and path, meets this fate once; watches, and what is elsewhere, do not."""

    def __init__(self, fate: Fate, namespace: str) -> None:
        self._fate = fate
        self._namespace = namespace
        self.met: set[tuple[str, str]] = set()

    def __call__(self, method: str, path: str) -> Fate:
        call = (method, urlsplit(path).path)
        if f"/namespaces/{self._namespace}/" not in path or "watch=" in path or call in self.met:
            return Fate.ANSWERED
        self.met.add(call)
        return self._fate

    def anew(self, method: str) -> None:
        """Let requests of this method meet it once more: Jobs of every kind are made by requests that look the same."""
        self.met = {call for call in self.met if call[0] != method}


def whole_life(world: World) -> None:
    """Pull, serve, change the revision, scale to zero, meet a failure; and nothing is there twice in the end."""
    first = world.bring_up()
    world.apply(sha256="0" * 64)
    world.publish(world.until_job(instead_of=first), OTHER_DIGEST)
    # Until it has heard of the change, the status says Ready of the generation before.
    world.until("the other is what is to be served", lambda: target_digest(world) == OTHER_DIGEST)
    world.serve()
    assert world.status()["artifact"]["digest"] == OTHER_DIGEST
    world.kubectl("scale", "wm", "m", "--replicas=0")
    world.until_condition("Ready", "True", "ScaledToZero")
    world.apply("other")
    world.fail_pull(world.until_job(name="other"), 65)
    world.until_condition("Degraded", "True", "Unauthorized", "other")
    world.until("superseded pulls are gone", lambda: len(world.jobs()) == len(world.jobs("other")) == 1)


def whole_end(world: World) -> None:
    """Serve with all that servers may have, from a claim that stays, and go: first the artifacts, then the model."""
    world.make_bound_claim("shared")
    server = {"replicas": 2, "autoscaling": {"minReplicas": 2, "maxReplicas": 3}}
    world.bring_up("leaving", cache={"claimName": "shared"}, server=server)
    world.kubectl("delete", "wm", "leaving", "--wait=false")
    world.end_gc(world.until_gc("leaving"))
    world.until("it is gone", lambda: not world.exists("whispermodel", "leaving"))
    assert [one["note"] for one in world.select("event") if one["reason"] == "ArtifactsLeft"] == []


def until_made_again(world: World) -> None:
    """Delete the Deployment, and wait for another."""
    before = world.get("deployment", "m-server")["metadata"]["uid"]
    world.kubectl("delete", "deployment", "m-server", "--cascade=orphan")

    def another() -> bool:
        return [one["metadata"]["uid"] for one in world.select("deployment")] not in ([], [before])

    world.until("there is another Deployment", another)


def target_digest(world: World) -> str | None:
    digest: str | None = world.status()["target"].get("digest")
    return digest


@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.LOST], ids=["does not arrive", "arrives and is not answered"])
def test_each_call_fails_once(
    fate: Fate, lone_world: World, troubled: TroubledAPI, troubled_operator: OperatorProcess
) -> None:
    once = troubled.decide = Once(fate, lone_world.namespace)
    whole_life(lone_world)
    once.anew("POST")
    whole_end(lone_world)
    assert {method for method, _ in once.met} >= {"POST", "PATCH", "DELETE"}
    assert not troubled_operator.defects()


def test_events_overtake_one_another(
    lone_world: World, troubled: TroubledAPI, troubled_operator: OperatorProcess
) -> None:
    troubled.late_seconds = 1.5
    whole_life(lone_world)
    whole_end(lone_world)
    assert not troubled_operator.defects()


def test_what_no_watch_tells_of_is_noticed_when_all_is_listed_again(
    lone_world: World, troubled: TroubledAPI, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    kubeconfig = troubled.kubeconfig(operator_kubeconfig, tmp_path / "kubeconfig")
    here = f"--namespaces={lone_world.namespace}"
    operator = OperatorProcess(kubeconfig, tmp_path / "operator.log", here, resync_seconds=3)
    operator.start()
    try:
        lone_world.bring_up()
        troubled.silent = True
        for _ in range(2):  # the first time it may be the list that follows the beginning of a watch
            until_made_again(lone_world)
        assert not operator.defects()
    finally:
        operator.stop()


def test_it_is_killed_at_every_step(
    lone_world: World, troubled: TroubledAPI, troubled_operator: OperatorProcess
) -> None:
    """Each of its writes is made, and then it dies before it hears of it."""
    once = Once(Fate.LOST, lone_world.namespace)

    def die(method: str, path: str) -> Fate:
        if method not in WRITES or once(method, path) is Fate.ANSWERED:
            return Fate.ANSWERED
        troubled_operator.kill_without_waiting()
        return Fate.LOST

    troubled.decide = die
    with troubled_operator.revived():
        whole_life(lone_world)
        assert len(once.met) >= 6
        once.anew("POST")
        whole_end(lone_world)
    assert ("PATCH", kinds.MODEL.path(lone_world.namespace, "leaving")) in once.met, "its finalizer comes and goes"
    assert not troubled_operator.defects()


def test_an_api_server_that_knows_no_definitions_yet_is_told_in_a_sentence_and_met_by_a_new_start(
    lone_world: World, troubled: TroubledAPI, troubled_operator: OperatorProcess
) -> None:
    troubled_operator.stop()
    troubled.decide = lambda _, path: Fate.UNKNOWN if "/whispermodels" in path and "watch=" in path else Fate.ANSWERED
    troubled_operator.launch()
    lone_world.until("it ends", lambda: troubled_operator.ended() is not None)
    # kopf kills its process after a limit when another watch, that just lost its connection, does not end.
    assert troubled_operator.ended() in (1, -signal.SIGKILL)
    told = troubled_operator.story()
    assert "404 page not found" in told
    if troubled_operator.ended() == 1:
        assert "no longer knows a kind that is watched" in told
    troubled.decide = lambda *_: Fate.ANSWERED
    troubled_operator.start()
    lone_world.bring_up()
    assert not troubled_operator.defects()
