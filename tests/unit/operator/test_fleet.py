"""Whose turn it is when the operator itself makes servers change: a few at a time, and a bad image stops after them."""

from dataclasses import replace
from typing import Any

import kubernetes.client
import pytest

from tests.support.objects import ARTIFACT, SETTINGS
from tests.unit.operator.things import JSON, OVERDUE, model
from tests.unit.operator.things import artifact as artifact_of
from whisper_operator.api.defaults import ServerDefaults
from whisper_operator.api.names import ModelKey
from whisper_operator.api.status import Artifact
from whisper_operator.builders.deployment import build_deployment
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.mirror import Mirror
from whisper_operator.kube.store import Store
from whisper_operator.reconcile.causes import with_cause
from whisper_operator.reconcile.fleet import Fleet, Turn
from whisper_operator.settings import Settings

NEW = replace(SETTINGS, server_image="registry.example.com/whisper-server:2")
OTHER_DEFAULTS = replace(SETTINGS, server_defaults=ServerDefaults(priority_class_name="speech"))
NEWER = replace(SETTINGS, server_image="registry.example.com/whisper-server:3")
COMPLETE = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
UNDER_WAY = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}


class World:
    """Deployments as an API server would have them, and the fleet of an operator that may be started anew."""

    def __init__(self, limit: int = 2) -> None:
        self.store = Store()
        self.limit = limit
        self._version = 0
        self.start_anew()

    def start_anew(self) -> None:
        nobody: Any = kubernetes.client.Configuration
        client = KubeClient(kubernetes.client.ApiClient(nobody()))
        self.fleet = Fleet(Mirror(client, self.store), self.limit)

    def live(self, name: str) -> JSON | None:
        return self.store.get(kinds.DEPLOYMENT, "speech", f"{name}-server")

    def image(self, name: str) -> str:
        live = self.live(name)
        assert live is not None
        return str(live["spec"]["template"]["spec"]["containers"][0]["image"])

    def has_servers_of(self, name: str, settings: Settings) -> bool:
        """Whether the model's servers are those that an operator with these settings wants."""
        wanted, live = build_deployment(model(name), settings, ARTIFACT), self.live(name)
        return wanted is not None and live is not None and live["spec"]["template"] == wanted["spec"]["template"]

    def visit(
        self, name: str, settings: Settings, *, spec: JSON | None = None, artifact: Artifact = ARTIFACT, at: int = 1
    ) -> Turn:
        """Visit a model whose spec is this, at this generation, and apply what its turn is."""
        of = replace(model(name, **(spec or {})), generation=at)
        wanted = build_deployment(of, settings, artifact)
        assert wanted is not None
        before = self.live(name)
        turn = self.fleet.take(of.key, with_cause(wanted, before, of, settings, artifact), before)
        self._apply(turn.deployment, before)
        return turn

    def _apply(self, wanted: JSON, before: JSON | None) -> None:
        generation = before["metadata"]["generation"] if before is not None else 0
        changed = before is None or before["spec"] != wanted["spec"]
        metadata = wanted["metadata"] | {"generation": generation + changed}
        self.put(wanted | {"metadata": metadata, "status": before["status"] if before else {}})

    def put(self, body: JSON) -> None:
        """Have the API server tell of a Deployment."""
        self._version += 1
        self.store.put(
            kinds.DEPLOYMENT, body | {"metadata": body["metadata"] | {"resourceVersion": str(self._version)}}
        )

    def report(self, name: str, condition: JSON, ready: int = 1) -> None:
        """Let the Deployment controller say how the rollout is."""
        live = self.live(name)
        assert live is not None
        observed = {"observedGeneration": live["metadata"]["generation"], "readyReplicas": ready}
        self.put(live | {"status": observed | {"conditions": [condition]}})

    def serve(self, *names: str, settings: Settings = SETTINGS) -> None:
        """Bring these models up."""
        for name in names:
            self.visit(name, settings)
            self.report(name, COMPLETE)


@pytest.fixture
def world() -> World:
    found = World()
    found.serve("a", "b", "c", "d")
    return found


def waiting(world: World, settings: Settings, *names: str) -> list[str]:
    return [name for name in names if world.visit(name, settings).waits]


@pytest.mark.parametrize("new", [NEW, OTHER_DEFAULTS], ids=["another image", "other defaults"])
def test_an_upgrade_rolls_out_a_few_at_a_time(world: World, new: Settings) -> None:
    assert waiting(world, new, "a", "b", "c", "d") == ["c", "d"]
    assert [world.has_servers_of(name, new) for name in "abcd"] == [True, True, False, False]
    world.report("a", UNDER_WAY)
    assert waiting(world, new, "a", "b", "c", "d") == ["c", "d"]
    world.report("a", COMPLETE)
    assert waiting(world, new, "a", "b", "c", "d") == ["d"]
    world.report("b", COMPLETE)
    world.report("c", COMPLETE)
    assert not waiting(world, new, "a", "b", "c", "d")


def test_who_waits_is_left_with_the_servers_that_it_has(world: World) -> None:
    waiting(world, NEW, "a", "b")
    before = world.live("c")
    turn = world.visit("c", NEW)
    assert turn.waits
    assert before is not None
    assert turn.deployment["spec"] == before["spec"]


def test_how_many_servers_there_are_does_not_wait(world: World) -> None:
    waiting(world, NEW, "a", "b")
    turn = world.visit("c", NEW, spec={"server": {"replicas": 5}}, at=2)
    assert turn.waits
    live = world.live("c")
    assert live is not None
    assert live["spec"]["replicas"] == 5
    assert world.image("c").endswith(":1")


def test_a_turn_outlives_the_operator(world: World) -> None:
    waiting(world, NEW, "a", "b")
    world.start_anew()
    assert waiting(world, NEW, "d", "c", "b", "a") == ["d", "c"]


@pytest.mark.parametrize("condition", [UNDER_WAY, OVERDUE], ids=["under way", "past its deadline"])
def test_a_bad_image_stops_after_a_few(world: World, condition: JSON) -> None:
    waiting(world, NEW, "a", "b")
    for name in "ab":
        world.report(name, condition)
    assert waiting(world, NEW, "a", "b", "c", "d") == ["c", "d"]
    world.start_anew()
    assert waiting(world, NEW, "c", "d", "a", "b") == ["c", "d"]


def test_a_better_image_goes_first_to_those_who_have_the_bad_one(world: World) -> None:
    waiting(world, NEW, "a", "b")
    for name in "ab":
        world.report(name, OVERDUE)
    world.start_anew()
    assert waiting(world, NEWER, "c", "d", "a", "b") == ["c", "d"]
    for name in "ab":
        world.report(name, COMPLETE)
    assert not waiting(world, NEWER, "c", "d")


def test_who_did_not_serve_before_gives_its_turn_up_at_the_deadline(world: World) -> None:
    world.report("a", OVERDUE, ready=0)
    waiting(world, NEW, "a", "b")
    world.report("a", UNDER_WAY, ready=0)
    assert waiting(world, NEW, "c") == ["c"]
    world.report("a", OVERDUE, ready=0)
    assert not waiting(world, NEW, "c")


def test_a_server_that_ends_long_after_takes_no_turn(world: World) -> None:
    waiting(world, NEW, "a", "b")
    for name in "ab":
        world.report(name, COMPLETE)
        world.report(name, COMPLETE, ready=0)
    world.start_anew()
    assert not waiting(world, NEW, "c", "d")


def test_a_change_of_the_spec_waits_for_nobody(world: World) -> None:
    waiting(world, NEW, "a", "b")
    assert not world.visit("c", NEW, spec={"server": {"env": [{"name": "A"}]}}, at=2).waits
    assert world.image("c").endswith(":2")
    assert waiting(world, NEW, "d") == ["d"], "and it takes nobody's turn"


def test_another_artifact_waits_for_nobody(world: World) -> None:
    waiting(world, NEW, "a", "b")
    assert not world.visit("c", NEW, artifact=artifact_of("sha256:" + "b" * 64)).waits


def test_the_first_servers_of_a_model_wait_for_nobody(world: World) -> None:
    waiting(world, NEW, "a", "b")
    assert not world.visit("e", NEW).waits


def test_a_model_without_servers_waits_for_nobody(world: World) -> None:
    waiting(world, NEW, "a", "b")
    assert not world.visit("c", NEW, spec={"server": {"replicas": 0}}, at=2).waits


def test_what_changes_no_server_waits_for_nobody(world: World) -> None:
    own = {"server": {"image": "mine"}}
    world.visit("c", SETTINGS, spec=own, at=2)
    waiting(world, NEW, "a", "b")
    assert not world.visit("c", NEW, spec=own, at=2).waits


def test_what_an_older_operator_made_waits_for_its_turn(world: World) -> None:
    for name in "cd":
        live = world.live(name)
        assert live is not None
        del live["metadata"]["annotations"]
        world.put(live)
    waiting(world, NEW, "a", "b")
    assert waiting(world, NEW, "c", "d") == ["c", "d"]


def test_the_turn_of_a_model_that_is_gone_is_given_to_another(world: World) -> None:
    waiting(world, NEW, "a", "b")
    live = world.live("a")
    assert live is not None
    world.store.remove(kinds.DEPLOYMENT, live)
    assert waiting(world, NEW, "c", "d") == ["d"]
    world.fleet.give_back(ModelKey("speech", "b"))
    assert not waiting(world, NEW, "d")


def test_the_more_wait_the_less_often_each_looks() -> None:
    world = World(limit=1)
    names = [f"m{number}" for number in range(200)]
    world.serve(*names)
    waiting(world, NEW, *names[:2])
    assert world.fleet.look_again.total_seconds() == 3
    waiting(world, NEW, *names)
    assert world.fleet.look_again.total_seconds() == pytest.approx(199 / 20)
