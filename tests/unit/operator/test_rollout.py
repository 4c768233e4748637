"""Which artifact the servers get, when one is rejected, and what is remembered of those that have served."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operator.things import (
    DIGEST,
    JSON,
    NOW,
    OTHER_DIGEST,
    OVERDUE,
    ago,
    artifact,
    deployment,
    ended,
    model,
    overdue,
    published_status,
    says,
    server_pod,
)
from whisper_operator.api.model import Model
from whisper_operator.api.reasons import Finding
from whisper_operator.api.status import Artifact, Phase, Status, Target, parse_status
from whisper_operator.reconcile import rollout
from whisper_operator.reconcile.observation import Observed
from whisper_operator.reconcile.pulling import Pulling
from whisper_operator.reconcile.rollout import Rollout
from whisper_operator.reconcile.serving import Serving

OLD, NEW = artifact(DIGEST), artifact(OTHER_DIGEST)
PULLING = Pulling(Phase.PULLING, Finding("Pulling"), attempt=1)
PUBLISHED = Pulling(Phase.PUBLISHED, Finding("Published"), NEW)
BROKEN = server_pod(OTHER_DIGEST, containerStatuses=[ended("server", 1, says("WarmUpFailed", "serve"))])


def served(*, state: str = "Published", tried: Model | None = None, target: str = OTHER_DIGEST, **spec: Any) -> Model:
    """A model whose first artifact has served and whose second was rolled out with the spec of `tried`."""
    this = model(**spec)
    before = Status(
        artifact=OLD,
        revisions=(OLD,),
        target=Target(
            inputs_hash=this.inputs,
            state=Phase(state),
            reason="WarmUpFailed",
            digest=target,
            artifact=artifact(target),
            message="out of memory",
            tried=(tried or this).intent,
        ),
    )
    return model(status=before.to_json(), **spec)


def test_the_servers_get_nothing_before_anything_is_published() -> None:
    assert rollout.decide(Observed(model()), PULLING, NOW) == Rollout(None)


def test_the_last_that_served_stays_while_another_is_pulled() -> None:
    assert rollout.decide(Observed(served()), PULLING, NOW) == Rollout(OLD)


def test_what_the_spec_asks_for_is_rolled_out_once_it_is_published() -> None:
    assert rollout.decide(Observed(served()), PUBLISHED, NOW) == Rollout(NEW)


def test_what_cannot_be_rolled_out_in_its_deadline_gives_way_to_the_last_that_served() -> None:
    this = served()
    seen = Observed(this, deployment=deployment(this, OTHER_DIGEST, OVERDUE), pods=(BROKEN,))
    decision = rollout.decide(seen, PUBLISHED, NOW)
    assert decision.artifact == NEW, "that is written down first"
    assert rollout.decide(replace(seen, model=served(state="Rejected")), PUBLISHED, NOW).artifact == OLD
    assert decision.rejection is not None
    told = decision.rejection.finding
    assert (told.reason, told.degraded) == ("WarmUpFailed", True)
    assert "with bbbbbbbbbbbb, which is rejected, and aaaaaaaaaaaa serves on: what happened." in told.message
    assert "tried again when the spec changes" in told.message


def test_servers_that_give_no_reason_of_their_own_are_rejected_too() -> None:
    this = served()
    seen = Observed(this, deployment=deployment(this, OTHER_DIGEST, OVERDUE), pods=(server_pod(OTHER_DIGEST),))
    decision = rollout.decide(seen, PUBLISHED, NOW)
    assert decision.rejection is not None
    assert decision.rejection.finding.reason == "ServersUnavailable"


def test_pods_that_may_not_be_made_are_rejected_once_the_deadline_has_passed() -> None:
    this = served()
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: gpus"}
    for conditions, rejected in (((OVERDUE, refused), True), ((refused,), False)):
        decision = rollout.decide(
            Observed(this, deployment=deployment(this, OTHER_DIGEST, *conditions)), PUBLISHED, NOW
        )
        assert (decision.rejection is not None) == rejected


TRIES: dict[str, tuple[JSON, float, bool]] = {
    "made before it passed": ({"creationTimestamp": ago(30)}, 20, True),
    "made since, and not yet for as long": ({"creationTimestamp": ago(5)}, 20, False),
    "made since, and for longer": ({"creationTimestamp": ago(45)}, 60, True),
    "on its way out": ({"creationTimestamp": ago(30), "deletionTimestamp": ago(1)}, 20, False),
}


@pytest.mark.parametrize("case", TRIES)
def test_a_deadline_counts_for_servers_that_had_it_and_not_for_those_of_another_try(case: str) -> None:
    metadata, passed_minutes_ago, rejected = TRIES[case]
    server = server_pod(OTHER_DIGEST)
    server["metadata"] |= metadata
    this = served()
    seen = Observed(this, deployment=deployment(this, OTHER_DIGEST, overdue(passed_minutes_ago)), pods=(server,))
    assert (rollout.decide(seen, PUBLISHED, NOW).rejection is not None) == rejected


def test_the_trouble_of_servers_with_the_old_artifact_is_not_the_new_ones() -> None:
    this = served()
    theirs = server_pod(DIGEST, containerStatuses=[ended("server", 1, says("WarmUpFailed", "serve"))])
    pods = (theirs, server_pod(OTHER_DIGEST))
    seen = Observed(this, deployment=deployment(this, OTHER_DIGEST, OVERDUE), pods=pods)
    decision = rollout.decide(seen, PUBLISHED, NOW)
    assert decision.rejection is not None
    assert decision.rejection.finding.reason == "ServersUnavailable"


NOT_YET: dict[str, JSON] = {
    "there is time left": deployment(model(), OTHER_DIGEST),
    "the deadline was another artifact's": deployment(model(), DIGEST, OVERDUE),
    "the deadline was another template's": deployment(model(), OTHER_DIGEST, OVERDUE, observed=False),
}


@pytest.mark.parametrize("case", NOT_YET)
def test_what_is_not_overdue_is_not_rejected(case: str) -> None:
    seen = Observed(served(), deployment=NOT_YET[case], pods=(BROKEN,))
    assert rollout.decide(seen, PUBLISHED, NOW) == Rollout(NEW)


def test_what_was_rejected_is_not_tried_again() -> None:
    this = served(state="Rejected")
    decision = rollout.decide(Observed(this, deployment=deployment(this, DIGEST)), PUBLISHED, NOW)
    assert decision.artifact == OLD
    assert decision.rejection is not None
    assert "serves on: out of memory." in decision.rejection.finding.message


CHANGES: dict[str, tuple[JSON, bool]] = {
    "memory": ({"server": {"resources": {"limits": {"memory": "9Gi"}}}}, True),
    "the image": ({"server": {"image": "other"}}, True),
    "the retry annotation": ({"retry": "1"}, True),
    "the number of servers": ({"server": {"replicas": 7}}, False),
    "the end of a pause": ({"paused": False}, False),
}


@pytest.mark.parametrize("case", CHANGES)
@pytest.mark.parametrize("state", ["Rejected", "Published"])
def test_a_change_tries_it_again_with_a_deadline_of_its_own(case: str, state: str) -> None:
    change, again = CHANGES[case]
    this = served(state=state, tried=model(), **change)
    seen = Observed(this, deployment=deployment(this, OTHER_DIGEST, OVERDUE), pods=(server_pod(OTHER_DIGEST),))
    assert (rollout.decide(seen, PUBLISHED, NOW) == Rollout(NEW)) == again


def test_another_artifact_is_tried_although_one_was_rejected() -> None:
    this = served(state="Rejected", target="sha256:" + "c" * 64)
    assert rollout.decide(Observed(this, deployment=deployment(this)), PUBLISHED, NOW) == Rollout(NEW)


def test_with_nothing_to_go_back_to_nothing_is_rejected() -> None:
    this = served()
    never = model(status=msgspec.structs.replace(this.status, revisions=(), artifact=NEW).to_json())
    seen = Observed(never, deployment=deployment(this, OTHER_DIGEST, OVERDUE))
    assert rollout.decide(seen, PUBLISHED, NOW) == Rollout(NEW)


def test_the_artifact_that_serves_is_not_rejected_for_what_the_options_do_to_it() -> None:
    this = served(target=DIGEST)
    seen = Observed(this, deployment=deployment(this, DIGEST, OVERDUE))
    asked = Pulling(Phase.PUBLISHED, Finding("Published"), OLD)
    assert rollout.decide(seen, asked, NOW) == Rollout(OLD)


def test_a_model_inside_an_image_gives_way_to_one_on_a_volume_and_is_told_by_its_path() -> None:
    baked = Artifact(path="/model")
    this = model(source={"baked": {"path": "/model"}})
    target = Target(state=Phase.REJECTED, reason="WarmUpFailed", artifact=baked, tried=this.intent)
    status = Status(artifact=OLD, revisions=(OLD,), target=target)
    there = model(source={"baked": {"path": "/model"}}, status=status.to_json())
    decision = rollout.decide(Observed(there), Pulling(Phase.PUBLISHED, Finding("Published"), baked), NOW)
    assert decision.artifact == OLD
    assert decision.rejection is not None
    assert "with /model, which is rejected, and aaaaaaaaaaaa serves on" in decision.rejection.finding.message


def serving(digest: str, wanted: int = 1, *, settled: bool = True) -> Serving:
    return Serving(wanted, wanted, wanted, Finding("ServersReady"), settled=settled, key=digest)


def test_an_artifact_has_served_when_all_servers_are_ready_with_it() -> None:
    assert rollout.revisions((OLD,), NEW, serving(OTHER_DIGEST), keep=2) == (NEW, OLD)


def test_before_that_the_one_before_it_is_the_last_that_served() -> None:
    assert rollout.revisions((OLD,), NEW, serving(OTHER_DIGEST, settled=False), keep=2) == (OLD,)
    assert rollout.revisions((OLD,), NEW, serving(DIGEST), keep=2) == (OLD,)
    assert rollout.revisions((OLD,), NEW, None, keep=2) == (OLD,)


def test_without_servers_nothing_serves() -> None:
    assert rollout.revisions((OLD,), NEW, serving(OTHER_DIGEST, wanted=0), keep=2) == (OLD,)


@given(st.lists(st.sampled_from("abcdef"), max_size=12), st.integers(1, 5))
def test_what_has_served_is_kept_once_each_the_last_one_first(letters: list[str], keep: int) -> None:
    kept: Any = ()
    for letter in letters:
        digest = "sha256:" + letter * 64
        kept = rollout.revisions(kept, artifact(digest), serving(digest), keep)
    newest_first = list(dict.fromkeys(reversed(letters)))
    assert [one.key[-1] for one in kept] == newest_first[:keep]


def test_what_is_pinned_is_kept_whatever_its_place() -> None:
    assert rollout.revisions((NEW, OLD), NEW, None, keep=1, pin=DIGEST) == (NEW, OLD)
    assert rollout.revisions((NEW, OLD), NEW, None, keep=1, pin=OTHER_DIGEST) == (NEW,)


def earlier(state: str, digest: str | None, available: str = "True") -> JSON:
    """A status of the operator before this one: it knew no revisions, and the artifact of no target."""
    condition = {"type": "Available", "status": available, "reason": "ServersReady", "message": ""}
    target = {"inputsHash": model().inputs, "state": state, "reason": state, "digest": digest}
    return {"artifact": msgspec.to_builtins(OLD), "conditions": [condition], "target": target}


def test_what_an_earlier_operator_published_is_neither_pulled_nor_rolled_out_again() -> None:
    seen = Observed(model(status=published_status(model())))
    assert seen.recorded == OLD
    assert rollout.decide(seen, PULLING, NOW) == Rollout(OLD)


def test_what_served_under_an_earlier_operator_is_what_there_is_to_go_back_to() -> None:
    assert parse_status(earlier("Pulling", None)).revisions == (OLD,)
    assert parse_status(earlier("Pulling", None, available="False")).revisions == ()
    assert parse_status(earlier("Published", DIGEST)).revisions == ()  # the rollout may be under way
