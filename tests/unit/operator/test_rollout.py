"""Which artifact the servers get, and what is remembered of those that have served."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operator.things import DIGEST, JSON, OTHER_DIGEST, artifact, model, published_status
from whisper_operator.api.reasons import Finding
from whisper_operator.api.status import Phase, Status, parse_status
from whisper_operator.reconcile import rollout
from whisper_operator.reconcile.observation import Observed
from whisper_operator.reconcile.pulling import Pulling
from whisper_operator.reconcile.serving import Serving

OLD, NEW = artifact(DIGEST), artifact(OTHER_DIGEST)
PULLING = Pulling(Phase.PULLING, Finding("Pulling"), attempt=1)
PUBLISHED = Pulling(Phase.PUBLISHED, Finding("Published"), NEW)
SERVED = Status(artifact=OLD, revisions=(OLD,))


def serving(digest: str, wanted: int = 1, *, settled: bool = True) -> Serving:
    return Serving(wanted, wanted, wanted, Finding("ServersReady"), settled=settled, digest=digest)


def test_the_servers_get_nothing_before_anything_is_published() -> None:
    assert rollout.decide(Status(), PULLING) is None


def test_the_last_that_served_stays_while_another_is_pulled() -> None:
    assert rollout.decide(SERVED, PULLING) == OLD


def test_what_the_spec_asks_for_is_rolled_out_once_it_is_published() -> None:
    assert rollout.decide(SERVED, PUBLISHED) == NEW


def test_an_artifact_has_served_when_all_servers_are_ready_with_it() -> None:
    assert rollout.revisions((OLD,), NEW, serving(OTHER_DIGEST), keep=2) == (NEW, OLD)


def test_before_that_the_one_before_it_is_the_last_that_served() -> None:
    assert rollout.revisions((OLD,), NEW, serving(OTHER_DIGEST, settled=False), keep=2) == (OLD,)
    assert rollout.revisions((OLD,), NEW, serving(DIGEST), keep=2) == (OLD,)
    assert rollout.revisions((OLD,), NEW, None, keep=2) == (OLD,)


def test_without_servers_nothing_serves() -> None:
    assert rollout.revisions((OLD,), NEW, serving(OTHER_DIGEST, wanted=0), keep=2) == (OLD,)


@given(st.lists(st.sampled_from("abcdef"), max_size=12), st.integers(1, 5))
def test_what_has_served_is_kept_once_each_the_last_one_first(served: list[str], keep: int) -> None:
    kept: Any = ()
    for letter in served:
        digest = "sha256:" + letter * 64
        kept = rollout.revisions(kept, artifact(digest), serving(digest), keep)
    newest_first = list(dict.fromkeys(reversed(served)))
    assert [one.digest[-1] for one in kept] == newest_first[:keep]


def earlier(state: str, digest: str | None, available: str = "True") -> JSON:
    """A status of the operator before this one: it knew no revisions, and the artifact of no target."""
    condition = {"type": "Available", "status": available, "reason": "ServersReady", "message": ""}
    target = {"inputsHash": model().inputs, "state": state, "reason": state, "digest": digest}
    return {"artifact": msgspec.to_builtins(OLD), "conditions": [condition], "target": target}


def test_what_an_earlier_operator_published_is_neither_pulled_nor_rolled_out_again() -> None:
    status = parse_status(published_status(model()))
    assert Observed(model(status=status.to_json())).recorded == OLD
    assert rollout.decide(status, PULLING) == OLD


def test_what_served_under_an_earlier_operator_is_what_there_is_to_go_back_to() -> None:
    assert parse_status(earlier("Pulling", None)).revisions == (OLD,)
    assert parse_status(earlier("Pulling", None, available="False")).revisions == ()
    assert parse_status(earlier("Published", DIGEST)).revisions == ()  # the rollout may be under way
