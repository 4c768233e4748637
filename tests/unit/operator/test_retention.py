"""What is removed while a model lives on: what its status named and names no more, and nobody else needs."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.support.objects import SETTINGS
from tests.unit.operator.things import DIGEST, JSON, NOW, ago, complete, ended, failed, model, pod, says, server_pod
from whisper_contract.termination import TerminationMessage
from whisper_operator.api.model import Model
from whisper_operator.api.status import Artifact, FailedRemoval, Status
from whisper_operator.builders.gc_job import MAX_KEPT, Removal, build_gc_job
from whisper_operator.builders.placement import PullPlacement
from whisper_operator.reconcile import retention
from whisper_operator.reconcile.observation import Observed
from whisper_operator.reconcile.retention import Retention
from whisper_operator.reconcile.tenants import Tenant

OLD = "sha256:" + "b" * 64
FREED = TerminationMessage(step="gc", reason="Freed", message="7 bytes of 1 artifacts are freed", size_bytes=7)


def artifact(digest: str) -> Artifact:
    return Artifact(digest=digest, short_digest=digest[7:19], path=f"artifacts/{digest[7:]}")


def serving(*unneeded: str, **fields: Any) -> Model:
    """A model that serves one artifact, and that has these to be removed."""
    new = artifact(DIGEST)
    return replace(model(**fields), status=Status(artifact=new, revisions=(new,), unneeded=unneeded))


def job(of: Model, *conditions: JSON) -> JSON:
    built = build_gc_job(of, SETTINGS, Removal((), of.status.unneeded), PullPlacement.ANYWHERE, [])
    built["metadata"] |= {"uid": "gc", "creationTimestamp": ago(1)}
    return built | {"status": {"conditions": list(conditions)}}


def decided(of: Model, **seen: Any) -> Retention:
    return retention.decide(Observed(of, **seen), NOW)


def test_what_the_status_names_no_more_is_to_be_removed() -> None:
    before = replace(serving(), status=Status(revisions=(artifact(DIGEST), artifact(OLD))))
    after = Status(artifact=artifact(DIGEST), revisions=(artifact(DIGEST),))
    assert retention.unneeded(before, after, frozenset()) == (OLD,)
    assert retention.unneeded(before, after, frozenset({OLD})) == ()


def test_it_stays_so_until_that_is_done_or_it_is_needed_again() -> None:
    of = serving(OLD)
    assert retention.unneeded(of, of.status, frozenset()) == (OLD,)
    again = Status(artifact=artifact(OLD), revisions=(artifact(OLD), artifact(DIGEST)))
    assert retention.unneeded(of, again, frozenset()) == ()


def test_a_pinned_artifact_is_needed() -> None:
    before = replace(serving(pin=OLD), status=Status(revisions=(artifact(DIGEST), artifact(OLD))))
    assert retention.unneeded(before, Status(revisions=(artifact(DIGEST),)), frozenset()) == ()


def test_under_retain_nothing_is_removed() -> None:
    of = serving(OLD, cache={"deletionPolicy": "Retain"})
    assert decided(of) == Retention()
    assert retention.unneeded(of, of.status, frozenset()) == ()


def test_a_job_removes_it_and_keeps_what_is_needed() -> None:
    found = decided(serving(OLD), tenants=(Tenant("b", "m-models", frozenset({"sha256:" + "c" * 64})),))
    assert found.removal == Removal(frozenset({DIGEST, "sha256:" + "c" * 64}), frozenset({OLD}))


def test_while_a_server_has_it_nothing_is_removed() -> None:
    found = decided(serving(OLD), pods=(server_pod(OLD),))
    assert found.removal is None
    assert found.look_again is not None
    assert decided(serving(OLD), pods=(server_pod(DIGEST),)).removal is not None


def test_what_another_model_needs_is_its_to_remove() -> None:
    found = decided(serving(OLD), tenants=(Tenant("b", "m-models", frozenset({OLD})),))
    assert (found.removal, found.done) == (None, frozenset({OLD}))
    just = decided(serving(OLD), published=frozenset({OLD}))
    assert (just.removal, just.done) == (None, frozenset({OLD}))


def test_while_the_job_runs_nothing_else_is_started() -> None:
    of = serving(OLD)
    assert decided(of, removals=(job(of),)) == Retention()


def test_when_it_is_done_that_is_told() -> None:
    of = serving(OLD)
    done = job(of, complete())
    found = decided(of, removals=(done,), pods=(pod("gc", containerStatuses=[ended("gc", 0, FREED)]),))
    assert (found.done, found.delete) == (frozenset({OLD}), (done,))
    assert found.notes[0] == (
        "Normal",
        "ArtifactsRemoved",
        "Artifacts that are no longer kept were removed from the claim m-models: 7 bytes of 1 artifacts are freed.",
    )


def failed_before(failures: int, minutes_ago: float) -> Model:
    """A model whose last Job that removes an artifact has failed so long ago."""
    of = serving(OLD)
    record = FailedRemoval(failures=failures, failed_time=ago(minutes_ago), message="why")
    return replace(of, status=msgspec.structs.replace(of.status, removal=record))


def test_when_it_fails_that_is_told_and_tried_again_later() -> None:
    of = serving(OLD)
    why = says("ClaimNotWritable", "gc", "may not write to /models")
    broken = pod("gc", containerStatuses=[ended("gc", 73, why)])
    found = decided(of, removals=(job(of, failed()),), pods=(broken,))
    assert found.done == frozenset()
    assert found.delete == (job(of, failed()),)
    assert found.notes[0][:2] == ("Warning", "ArtifactsLeft")
    assert "may not write to /models" in found.notes[0].text
    assert found.notes[0].text.endswith("Another try follows in 10 min.")
    assert found.failed is not None
    assert (found.failed.failures, found.failed.failed_time) == (1, ago(0))


def test_a_job_that_has_failed_is_told_once() -> None:
    of = failed_before(1, minutes_ago=0)
    found = decided(of, removals=(job(of, failed(minutes_ago=1)),))
    assert (found.notes, found.failed) == ((), of.status.removal)
    assert found.delete


@pytest.mark.parametrize(("failures", "minutes"), [(1, 10), (2, 20), (3, 40), (6, 320), (7, 360), (100, 360)])
def test_the_wait_doubles_up_to_six_hours(failures: int, minutes: int) -> None:
    early = decided(failed_before(failures, minutes_ago=minutes - 1))
    assert (early.removal, early.look_again) == (None, timedelta(minutes=1))
    due = decided(failed_before(failures, minutes_ago=minutes))
    assert due.removal is not None
    assert due.failed is not None


def test_a_job_that_fails_again_waits_longer_and_one_that_succeeds_forgives() -> None:
    of = failed_before(1, minutes_ago=10)
    again = decided(of, removals=(job(of, failed()),))
    assert again.failed is not None
    assert again.failed.failures == 2
    done = decided(of, removals=(job(of, complete()),))
    assert (done.done, done.failed) == (frozenset({OLD}), None)


def test_what_is_needed_again_is_no_failure_any_more() -> None:
    of = failed_before(1, minutes_ago=1)
    nothing = replace(of, status=msgspec.structs.replace(of.status, unneeded=()))
    assert decided(nothing) == Retention()


def test_a_job_of_before_goes_when_it_has_ended() -> None:
    before = job(serving("sha256:" + "d" * 64), complete())
    assert decided(serving(OLD), removals=(before,)).delete == (before,)


def test_a_list_that_is_too_long_for_a_job_is_left_to_people() -> None:
    many = frozenset(f"sha256:{number:064x}" for number in range(MAX_KEPT))
    found = decided(serving(OLD), tenants=(Tenant("b", "m-models", many),))
    assert (found.removal, found.done) == (None, frozenset({OLD}))
