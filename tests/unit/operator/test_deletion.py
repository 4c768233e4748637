"""What becomes of the artifacts of a WhisperModel that is being deleted, whatever state it is in."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.objects import SETTINGS
from tests.unit.operator.things import DIGEST, JSON, NOW, SOURCE, ago, complete, ended, failed, job, model, pod, says
from tests.unit.operator.things import PUBLISHED as PUBLISHED_MESSAGE
from whisper_contract.termination import TerminationMessage
from whisper_operator.api import names
from whisper_operator.api.model import parse_leniently
from whisper_operator.builders.gc_job import MAX_KEPT, Removal, build_gc_job
from whisper_operator.builders.placement import PullPlacement
from whisper_operator.reconcile.claim_work import at_work
from whisper_operator.reconcile.deletion.leaving import Ending, Leaving, decide, retained
from whisper_operator.reconcile.tenants import Tenant, digests_of, tenants

LIMIT = timedelta(minutes=15)
OTHER = "sha256:" + "b" * 64
FREED = TerminationMessage(step="gc", reason="Freed", message="7 bytes of 1 artifacts are freed", size_bytes=7)


def claim(*modes: str, **metadata: Any) -> JSON:
    named = {"name": "shared", "resourceVersion": "1", **metadata}
    return {"metadata": named, "spec": {"accessModes": modes or ["ReadWriteMany"]}, "status": {"phase": "Bound"}}


NAMED = model(cache={"claimName": "shared"})
MADE = model()
LEAVING = Leaving(NAMED, NOW - timedelta(minutes=1), frozenset({DIGEST}), claim())


def body(of: JSON, name: str = "m", **status: Any) -> JSON:
    metadata = {
        "name": name,
        "namespace": "speech",
        "uid": name,
        "generation": 1,
        "creationTimestamp": ago(90),
        "finalizers": [names.FINALIZER],
    }
    return {"metadata": metadata, "spec": of, "status": status}


def gc_job(seen: Leaving, *conditions: JSON) -> JSON:
    built = build_gc_job(seen.model, SETTINGS, seen.removal, PullPlacement.ANYWHERE, [])
    built["metadata"] |= {"uid": "gc", "creationTimestamp": ago(1)}
    return built | {"status": {"conditions": list(conditions)}}


def labelled(found: JSON, of: str, component: str) -> JSON:
    found["metadata"]["labels"] = names.labels(of, component)
    return found


def decided(seen: Leaving, **changes: Any) -> Ending:
    return decide(replace(seen, **changes), NOW, LIMIT)


def reasons(ending: Ending) -> list[str]:
    return [note.reason for note in ending.notes]


def test_when_nothing_is_at_work_on_the_claim_a_job_removes_what_only_this_model_refers_to() -> None:
    others = (Tenant("b", "shared", frozenset({OTHER})),)
    ending = decided(LEAVING, others=others)
    assert not ending.release
    assert ending.removal == Removal(keep=frozenset({OTHER}), unneeded=frozenset({DIGEST}), last=True)


def test_what_another_model_refers_to_is_kept() -> None:
    ending = decided(LEAVING, others=(Tenant("b", "shared", frozenset({DIGEST})),))
    assert ending.removal == Removal(keep=frozenset({DIGEST}), unneeded=frozenset(), last=True)


def test_what_anothers_pull_has_just_published_is_kept_although_no_status_tells_of_it_yet() -> None:
    just = labelled(pod(containerStatuses=[ended("publish", 0, PUBLISHED_MESSAGE)]), "b", "pull")
    just["status"]["phase"] = "Succeeded"
    assert DIGEST in decided(LEAVING, pods=(just,)).removal.keep  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "changes",
    [
        {"claim": None},
        {"claim": claim(deletionTimestamp=ago(1))},
        {"claim": claim() | {"status": {"phase": "Pending"}}},
        {"model": model(cache={"claimName": "shared", "deletionPolicy": "Retain"})},
        {"model": replace(NAMED, finalizers=("orphan", names.FINALIZER))},
    ],
    ids=["no claim", "the claim goes", "the claim was never written to", "Retain", "orphaned on purpose"],
)
def test_with_nothing_to_remove_it_is_let_go_at_once(changes: dict[str, Any]) -> None:
    ending = decided(LEAVING, **changes)
    assert ending.release
    assert ending.removal is None


def test_a_claim_that_was_made_for_it_goes_with_it_when_nobody_else_names_it() -> None:
    ending = decided(LEAVING, model=MADE)
    assert ending.release
    assert ending.owns_claim is True


def test_a_claim_that_was_made_for_it_and_that_another_names_stays_and_loses_its_artifacts() -> None:
    seen = replace(LEAVING, model=MADE, others=(Tenant("b", "m-models", frozenset()),))
    assert decided(seen).removal is not None
    ending = decided(seen, jobs=(gc_job(seen, complete()),))
    assert ending.release
    assert ending.owns_claim is False
    assert reasons(ending) == ["ArtifactsRemoved", "ClaimKept"]
    assert "since other WhisperModels name it: b." in ending.notes[1].text


def test_its_servers_and_its_pull_end_first() -> None:
    own = labelled(job(NAMED), "m", "pull")
    ending = decided(LEAVING, deployment={"metadata": {"name": "m-server"}}, jobs=(own,))
    assert not ending.release
    assert ending.stop_servers
    assert ending.delete == (own,)
    assert ending.removal is None
    server = labelled(pod(), "m", "server")
    assert "its servers have not ended" in decided(LEAVING, servers=(server,)).finding.detail


def test_a_server_on_a_lost_node_is_not_waited_for() -> None:
    server = labelled(pod(), "m", "server")
    server["metadata"]["deletionTimestamp"] = ago(10)
    assert decided(LEAVING, servers=(server,)).removal is not None


@pytest.mark.parametrize("component", ["pull", "gc"])
def test_jobs_of_others_on_the_claim_are_waited_for_and_left_alone(component: str) -> None:
    theirs = labelled(job(model("b", cache={"claimName": "shared"})), "b", component)
    ending = decided(LEAVING, jobs=(theirs,))
    assert not ending.release
    assert (ending.removal, ending.delete) == (None, ())
    assert "of the WhisperModels b" in ending.finding.detail


def test_while_the_job_runs_it_waits_and_says_what_keeps_it() -> None:
    waits = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}
    ending = decided(LEAVING, jobs=(gc_job(LEAVING),), pods=(pod("gc", **waits),))
    assert not ending.release
    assert ending.removal is None
    assert "is not scheduled" in ending.finding.detail


def test_when_the_job_is_done_it_is_let_go_and_what_was_freed_is_told() -> None:
    done = gc_job(LEAVING, complete())
    ending = decided(LEAVING, jobs=(done,), pods=(pod("gc", containerStatuses=[ended("gc", 0, FREED)]),))
    assert ending.release
    assert ending.delete == (done,)
    (note,) = ending.notes
    assert note == (
        "Normal",
        "ArtifactsRemoved",
        "The artifacts were removed from the claim shared: 7 bytes of 1 artifacts are freed.",
    )


def test_when_the_job_has_failed_it_is_let_go_and_a_warning_tells_why() -> None:
    broken = gc_job(LEAVING, failed())
    why = says("ClaimNotWritable", "gc", "may not write to /models")
    ending = decided(LEAVING, jobs=(broken,), pods=(pod("gc", containerStatuses=[ended("gc", 73, why)]),))
    assert ending.release
    (note,) = ending.notes
    assert note[:2] == ("Warning", "ArtifactsLeft")
    assert "may not write to /models" in note.text


STUCK: dict[str, dict[str, Any]] = {
    "its Job": {"jobs": (gc_job(LEAVING),)},
    "its servers": {"servers": (labelled(pod(), "m", "server"),)},
    "another's pull": {"jobs": (labelled(job(model("b", cache={"claimName": "shared"})), "b", "pull"),)},
    "no Job": {},
}


@pytest.mark.parametrize("case", STUCK)
def test_after_the_limit_it_is_let_go_whatever_it_waits_for(case: str) -> None:
    ending = decided(LEAVING, deleted=NOW - LIMIT - timedelta(seconds=1), **STUCK[case])
    assert ending.release
    assert reasons(ending) == ["ArtifactsLeft"]
    assert "after 900 s" in ending.notes[0].text


def test_a_list_that_is_too_long_for_a_job_is_not_waited_for() -> None:
    many = frozenset(f"sha256:{number:064x}" for number in range(MAX_KEPT))
    ending = decided(LEAVING, others=(Tenant("b", "shared", many),))
    assert ending.release
    assert "too many artifacts are in use" in ending.notes[0].text


def test_on_a_claim_of_one_node_the_job_goes_where_the_others_servers_are() -> None:
    server = labelled(pod(), "b", "server") | {"spec": {"nodeName": "n"}}
    seen = replace(LEAVING, claim=claim("ReadWriteOnce"), servers=(server,))
    assert (seen.placement, seen.beside) == (PullPlacement.WITH_SERVERS, ["b"])
    built = build_gc_job(seen.model, SETTINGS, seen.removal, seen.placement, seen.beside)
    affinity = built["spec"]["template"]["spec"]["affinity"]["podAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
    (expression,) = term["labelSelector"]["matchExpressions"]
    assert expression == {"key": "stt.whisper-operator.io/model", "operator": "In", "values": ["b"]}


def test_the_last_job_has_no_owner_for_in_a_foreground_deletion_it_would_be_deleted_at_once() -> None:
    built = gc_job(LEAVING)
    assert "ownerReferences" not in built["metadata"]
    assert built["spec"]["ttlSecondsAfterFinished"] > 0


def test_the_last_job_of_an_earlier_model_of_that_name_is_another() -> None:
    earlier = replace(LEAVING, model=replace(NAMED, uid="earlier"))
    assert decided(LEAVING, jobs=(gc_job(earlier, complete()),)).removal is not None


UNREADABLE: dict[str, JSON] = {
    "no source": {"cache": {"claimName": "shared"}},
    "a server that cannot be": {"source": SOURCE, "cache": {"claimName": "shared"}, "server": {"replicas": "many"}},
    "a cache that cannot be": {"source": SOURCE, "cache": {"claimName": "shared", "size": 7, "accessModes": "all"}},
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_spec_that_cannot_be_read_still_says_which_claim(case: str) -> None:
    found = parse_leniently(body(UNREADABLE[case]))
    assert found.claim == "shared"
    assert found.deletes
    assert found.has_finalizer


@pytest.mark.parametrize("spec", [None, [], {"cache": None}, {"cache": []}], ids=str)
def test_nothing_in_a_spec_makes_its_deletion_fail(spec: Any) -> None:
    assert parse_leniently(body(spec)).claim == "m-models"


def test_a_deletion_policy_that_cannot_be_read_deletes_nothing() -> None:
    assert not parse_leniently(body({"cache": {"deletionPolicy": "Recycle"}})).deletes


def test_users_and_places_are_read_although_other_parts_cannot_be() -> None:
    spec = {"podSecurityContext": {"runAsUser": 7}, "pull": {"nodeSelector": {"a": "b"}, "timeoutSeconds": "x"}}
    found = parse_leniently(body(spec)).spec
    assert found.pod_security_context is not None
    assert found.pod_security_context.run_as_user == 7
    assert found.pull.node_selector == {"a": "b"}


def test_the_digests_of_a_model_are_all_that_its_status_names_and_what_it_is_pinned_to() -> None:
    one, two, three, four = (f"sha256:{digit * 64}" for digit in "1234")
    found = body(
        {"pin": four},
        artifact={"digest": one},
        target={"digest": two, "state": "AWordOfTomorrow"},
        revisions=[{"digest": one}, {"digest": three}],
        conditions=[{"digest": "none"}],
    )
    assert digests_of(found) == {one, two, three, four}


def test_tenants_are_those_on_the_claim_that_are_not_being_deleted() -> None:
    made, named, elsewhere = body({}, "a"), body({"cache": {"claimName": "a-models"}}, "b"), body({}, "c")
    gone = body({"cache": {"claimName": "a-models"}}, "d")
    gone["metadata"]["deletionTimestamp"] = ago(1)
    assert [tenant.name for tenant in tenants([made, named, elsewhere, gone], "a-models")] == ["a", "b"]


def test_what_is_retained_is_told_with_the_claim_that_it_is_on() -> None:
    note = retained(body({"cache": {"deletionPolicy": "Retain"}}, artifact={"digest": DIGEST}))
    assert note is not None
    assert note.text == f"The claim m-models stays with the artifacts {DIGEST}."
    assert retained(body({}, artifact={"digest": DIGEST})) is None
    assert retained(body({"cache": {"deletionPolicy": "Retain"}})) is None


AT_WORK: dict[str, tuple[Sequence[JSON], Sequence[JSON], bool]] = {
    "a Job": ([job(NAMED)], [], True),
    "a Job whose pods are still being ended": ([job(NAMED, 1, {**failed(), "type": "FailureTarget"})], [], True),
    "a Job that is done": ([job(NAMED, 1, complete())], [], False),
    "a Job that has failed": ([job(NAMED, 1, failed())], [], False),
    "a pod of a Job that is gone": ([], [pod()], True),
    "a pod that has ended": ([], [pod(phase="Succeeded")], False),
}


@pytest.mark.parametrize("case", AT_WORK)
def test_what_is_at_work_on_a_claim(case: str) -> None:
    found, pods, expected = AT_WORK[case]
    assert bool(at_work(found, pods, NOW)) is expected


def test_a_label_can_hold_the_name_of_any_claim() -> None:
    long = "a" * 253
    assert names.claim_label("shared") == "shared"
    assert len(names.claim_label(long)) == 63
    assert names.claim_label(long) != names.claim_label(long[:-1] + "b")
