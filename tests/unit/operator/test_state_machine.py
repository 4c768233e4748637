"""Pulls and rollouts together, whatever happens in whatever order: what must hold at any time, and in the end."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.operator.simulated import World
from tests.unit.operator.things import JSON

pytestmark = pytest.mark.slow

#: What a spec may ask for by its sha256, and what that pulls; the servers do not become ready with the last two.
CONTENTS = {letter * 64: f"sha256:{letter * 64}" for letter in "abcd"}
BROKEN = frozenset({CONTENTS["c" * 64], CONTENTS["d" * 64]})
BAKED = {"baked": {"path": "/model"}}
#: More visits than any change takes until all is done that can be done at once.
ENOUGH_VISITS = 12


def work(world: World, visit: Callable[[], None] | None = None) -> None:
    """Let all happen that happens by itself."""
    for _ in range(ENOUGH_VISITS):
        (visit or world.visit)()
        world.end_pull(well=True)
        world.sync()
        world.start_servers(BROKEN)
        world.sync()


class Life(RuleBasedStateMachine):
    """One WhisperModel, its person, its operator and its cluster."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(CONTENTS, spec={"sha256": "a" * 64})
        work(self.world)
        self.available = False
        self.rejected: tuple[JSON, str] | None = None

    # A person.

    @rule(sha256=st.sampled_from(sorted(CONTENTS)))
    def ask_for_another_model(self, sha256: str) -> None:
        self.world.spec = {key: part for key, part in self.world.spec.items() if key != "source"} | {"sha256": sha256}

    @rule()
    def ask_for_the_model_in_the_image(self) -> None:
        kept = {key: part for key, part in self.world.spec.items() if key in ("server", "paused")}
        self.world.spec = kept | {"source": BAKED}

    @precondition(lambda self: "source" not in self.world.spec)
    @rule(digest=st.sampled_from(sorted(CONTENTS.values())))
    def pin(self, digest: str) -> None:
        self.world.spec = self.world.spec | {"pin": digest}

    @rule()
    def unpin(self) -> None:
        self.world.spec = {key: part for key, part in self.world.spec.items() if key != "pin"}

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:  # noqa: FBT001 - hypothesis gives it by name
        self.world.spec = self.world.spec | {"paused": paused}

    @rule(replicas=st.integers(0, 2))
    def scale(self, replicas: int) -> None:
        self._change_server(replicas=replicas)

    @rule(value=st.sampled_from(["x", "y"]))
    def change_an_option(self, value: str) -> None:
        self._change_server(env=[{"name": "OPTION", "value": value}])

    def _change_server(self, **fields: Any) -> None:
        self.world.spec = self.world.spec | {"server": self.world.spec.get("server", {}) | fields}

    @rule(value=st.sampled_from(["1", "2"]))
    def ask_to_retry(self, value: str) -> None:
        self.world.retry = value

    # The cluster.

    @rule(well=st.booleans())
    def end_the_pull(self, well: bool) -> None:  # noqa: FBT001 - hypothesis gives it by name
        self.world.end_pull(well=well)

    @rule()
    def forget_the_finished_jobs_pods(self) -> None:
        self.world.job_pods = []

    @rule()
    def sync_the_deployment(self) -> None:
        self.world.sync()

    @rule()
    def start_the_servers(self) -> None:
        self.world.start_servers(BROKEN)

    @rule()
    def pass_the_deadline(self) -> None:
        self.world.pass_deadline()

    @rule()
    def all_that_happens_by_itself(self) -> None:
        work(self.world, self._visit)

    @rule()
    def a_rollout_that_takes_too_long(self) -> None:
        self.world.sync()
        self.world.pass_deadline()
        self._visit()

    @rule(minutes=st.sampled_from([0.1, 1, 11]))
    def wait(self, minutes: float) -> None:
        self.world.wait(minutes)

    # The operator.

    @rule(killed=st.booleans(), refused=st.booleans())
    def visit(self, killed: bool, refused: bool) -> None:  # noqa: FBT001 - hypothesis gives them by name
        self._visit(killed=killed, refused=refused)

    def _visit(self, *, killed: bool = False, refused: bool = False) -> None:
        already, pulls = len(self.world.writes), self._may_pull()
        served, given = self.world.served, self._was_given()
        self.world.visit(killed=killed, refused=refused)
        assert not given or self.world.served == served, "nothing but a rejection that is known takes it away again"
        written = self.world.writes[already:]
        assert pulls or "start" not in written, "nothing is pulled while pinned, paused or inside the image"
        assert not (self.world.spec.get("paused") and written), "a paused model is left as it is"
        self.what_was_rejected_is_not_tried_again_without_a_change()

    def _was_given(self) -> bool:
        """Whether the servers have what the spec asks for, as it asks now."""
        target = self.world.status.get("target", {})
        same = target.get("tried") == self.world.model.intent and target.get("digest", "/model") == self.world.served
        return bool(same and target["state"] == "Published")

    def _may_pull(self) -> bool:
        spec = self.world.spec
        return "source" not in spec and "pin" not in spec and not spec.get("paused")

    @rule()
    def look_until_nothing_is_left_to_do(self) -> None:
        """In a steady state nothing is written; and one is reached."""
        for _ in range(ENOUGH_VISITS):
            before = self.world.snapshot()
            self.world.sync()
            self._visit()
            if self.world.snapshot() == before:
                return
        raise AssertionError(f"it never comes to rest: {self.world.writes[-ENOUGH_VISITS:]}")

    # What must hold at any time.

    @invariant()
    def what_the_servers_get_is_there(self) -> None:
        assert self.world.served in {None, "/model", *self.world.store}

    @invariant()
    def what_serves_goes_on_serving(self) -> None:
        if self.world.deployment is None or self.world.deployment["spec"]["replicas"] == 0:
            self.available = False
            return
        ready = any(server.ready for server in self.world.servers)
        assert ready or not self.available, "once some server was ready, some server is"
        self.available = ready

    @invariant()
    def what_was_rejected_is_not_tried_again_without_a_change(self) -> None:
        asked = self._asked()
        if self.rejected is not None and self.rejected[0] != asked:
            self.rejected = None  # and back again is a change, too
        assert self.rejected is None or self.world.served != self.rejected[1]
        target = self.world.status.get("target", {})
        rejected = target.get("digest", "/model")
        # The next visit acts on it; and what a killed operator left in the status may be about another spec.
        known = target.get("state") == "Rejected" and target.get("tried") == self.world.model.intent
        if known and self.world.served != rejected:
            self.rejected = (asked, rejected)

    def _asked(self) -> JSON:
        """What a person has asked for, but for pauses and the number of servers."""
        asked = copy.deepcopy({key: part for key, part in self.world.spec.items() if key != "paused"})
        asked.get("server", {}).pop("replicas", None)
        return asked | {"retry": self.world.retry}

    @invariant()
    def what_is_kept_has_served_and_stands_once(self) -> None:
        kept = [revision.get("digest", "/model") for revision in self.world.status.get("revisions", [])]
        assert len(kept) == len(set(kept))
        assert not BROKEN & set(kept)
        assert len(kept) <= 3, "as many as are kept, and one that is pinned"
        if kept:
            assert self.world.status["artifact"].get("digest", "/model") == kept[0]

    def teardown(self) -> None:
        """Whatever came before: a good model, and a cluster that works, end in servers that are ready."""
        self.world.spec = {"sha256": "b" * 64, "server": {"replicas": 1, "env": [{"name": "OPTION", "value": "last"}]}}
        self.world.retry = "last"
        for _ in range(ENOUGH_VISITS):
            self.world.visit()
            self.world.end_pull(well=True)
            self.world.sync()
            self.world.start_servers(BROKEN)
            self.world.wait(11)
        assert self.world.condition("Ready") == "True", self.world.status
        assert self.world.served == CONTENTS["b" * 64]


Life.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase


def test_this_world_can_serve_reject_and_serve_again() -> None:
    """Else nothing above would be tried."""
    world = World(CONTENTS, spec={"sha256": "a" * 64})
    work(world)
    assert (world.condition("Ready"), world.served) == ("True", CONTENTS["a" * 64])
    world.spec = {"sha256": "c" * 64}
    work(world)
    assert (world.condition("Available"), world.served) == ("True", CONTENTS["c" * 64])
    world.pass_deadline()
    work(world)
    assert (world.status["target"]["state"], world.status["target"]["reason"]) == ("Rejected", "WarmUpFailed")
    assert (world.condition("Degraded"), world.condition("Available")) == ("True", "True")
    assert world.served == CONTENTS["a" * 64]
    world.spec = {"sha256": "b" * 64}
    work(world)
    assert (world.condition("Ready"), world.served) == ("True", CONTENTS["b" * 64])
    assert [one["digest"] for one in world.status["revisions"]] == [CONTENTS["b" * 64], CONTENTS["a" * 64]]
