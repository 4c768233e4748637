"""What becomes of claims and artifacts when WhisperModels go: a Job removes them, or they stay and that is said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.operator_process import OperatorProcess
from tests.integration.world import DIGEST, JSON, OTHER_DIGEST, World

FINALIZER = "stt.whisper-operator.io/artifacts"
SHARED: JSON = {"cache": {"claimName": "shared"}}
RETAIN: JSON = {"cache": {"deletionPolicy": "Retain"}}
# The garbage collector looks for new kinds, such as ours at the start of the tests, every half a minute.
COLLECTED_SECONDS = 240


@pytest.fixture
def shared(world: World) -> World:
    """A world with a bound claim that several models may name."""
    world.make_bound_claim("shared")
    return world


def finalizers(world: World, name: str = "m") -> list[str]:
    found: list[str] = world.get("whispermodel", name)["metadata"].get("finalizers", [])
    return found


def delete(world: World, name: str = "m", *options: str) -> None:
    world.kubectl("delete", "wm", name, "--wait=false", *options)


def until_gone(world: World, name: str = "m") -> None:
    world.until(f"{name} is gone", lambda: not world.exists("whispermodel", name))


def notes(world: World, reason: str) -> list[str]:
    return [event["note"] for event in world.select("event") if event["reason"] == reason]


def arguments(pod: JSON) -> list[str]:
    found: list[str] = pod["spec"]["containers"][0]["args"]
    return found


def test_artifacts_on_a_named_claim_go_before_their_model_does(shared: World) -> None:
    shared.bring_up(**SHARED)
    assert finalizers(shared) == [FINALIZER]
    delete(shared)
    pod = shared.until_gc()
    assert not shared.server_pods()
    assert arguments(pod) == ["job", "gc", "--keep-none", "--unneeded", "a" * 64, "--store", "/models"]
    assert shared.condition("Ready")["reason"] == "Deleting"
    shared.end_gc(pod)
    until_gone(shared)
    assert notes(shared, "ArtifactsRemoved") == [
        "The artifacts were removed from the claim shared: 7 bytes of 1 artifacts are freed."
    ]
    assert shared.exists("pvc", "shared")
    shared.until("no Job is left", lambda: not shared.select("job"), COLLECTED_SECONDS)


def test_what_another_model_needs_stays(shared: World) -> None:
    shared.bring_up("a", **SHARED)
    shared.bring_up("b", digest=DIGEST, **SHARED)
    shared.bring_up("c", digest=OTHER_DIGEST, **SHARED)
    delete(shared, "a")
    pod = shared.until_gc("a")
    assert arguments(pod) == ["job", "gc", "--keep", "a" * 64, "b" * 64, "--store", "/models"]
    shared.end_gc(pod)
    until_gone(shared, "a")
    delete(shared, "b")
    pod = shared.until_gc("b")
    assert arguments(pod) == ["job", "gc", "--keep", "b" * 64, "--unneeded", "a" * 64, "--store", "/models"]
    shared.end_gc(pod)
    until_gone(shared, "b")


def test_a_foreground_deletion_removes_them_too(shared: World) -> None:
    shared.bring_up(**SHARED)
    delete(shared, "m", "--cascade=foreground")
    shared.end_gc(shared.until_gc())
    until_gone(shared)
    assert notes(shared, "ArtifactsRemoved")


def test_deleted_while_it_pulls_the_pull_ends_first(shared: World) -> None:
    shared.apply(**SHARED)
    shared.until_job()
    delete(shared)
    pod = shared.until_gc()
    assert not shared.select("pod", "app.kubernetes.io/component=pull")
    shared.end_gc(pod)
    until_gone(shared)


def test_a_pull_of_another_model_is_waited_for_and_that_is_said(shared: World) -> None:
    shared.bring_up("a", **SHARED)
    shared.apply("b", **SHARED)
    pull = shared.until_job(name="b")
    delete(shared, "a")
    waits = "the Jobs that are at work there have not ended yet (of the WhisperModels b)"
    shared.until("it says what it waits for", lambda: waits in shared.condition("Ready", "a").get("message", ""))
    shared.publish(pull, OTHER_DIGEST)
    pod = shared.until_gc("a")
    assert arguments(pod) == ["job", "gc", "--keep", "b" * 64, "--unneeded", "a" * 64, "--store", "/models"]
    shared.end_gc(pod)
    until_gone(shared, "a")


def test_pulls_wait_while_artifacts_are_removed_and_say_so(shared: World) -> None:
    shared.bring_up("a", **SHARED)
    delete(shared, "a")
    pod = shared.until_gc("a")
    shared.apply("b", **SHARED)
    shared.until_condition("Progressing", "True", "WaitingForCleanup", "b")
    assert not shared.jobs("b")
    shared.end_gc(pod)
    shared.until_job(name="b")


def test_a_job_that_fails_is_told_and_does_not_keep_the_model(shared: World) -> None:
    shared.bring_up(**SHARED)
    delete(shared)
    shared.fail_gc(shared.until_gc(), 73)
    until_gone(shared)
    (note,) = notes(shared, "ArtifactsLeft")
    assert "Artifacts may be left on the claim shared: the Job that was to remove it failed:" in note


def test_an_operator_that_is_killed_in_the_middle_goes_on(shared: World, operator: OperatorProcess) -> None:
    shared.bring_up(**SHARED)
    operator.kill()
    delete(shared)
    operator.start()
    pod = shared.until_gc()
    operator.kill()
    shared.end_gc(pod)
    operator.start()
    until_gone(shared)
    assert notes(shared, "ArtifactsRemoved")


def test_in_a_namespace_that_is_being_deleted_the_model_is_let_go_at_once(shared: World) -> None:
    shared.bring_up(**SHARED)
    shared.delete_namespace()
    until_gone(shared)
    assert not shared.select("pod", "app.kubernetes.io/component=gc")


def test_without_its_claim_there_is_nothing_to_wait_for(shared: World) -> None:
    shared.bring_up(**SHARED)
    shared.kubectl("patch", "pvc", "shared", "--type=merge", "--patch", '{"metadata": {"finalizers": null}}')
    shared.kubectl("delete", "pvc", "shared", "--wait=false")
    shared.until("the claim is gone", lambda: not shared.exists("pvc", "shared"))
    delete(shared)
    until_gone(shared)


def test_what_is_retained_stays_without_ado_and_is_told(shared: World) -> None:
    shared.bring_up(cache={"claimName": "shared", "deletionPolicy": "Retain"})
    assert finalizers(shared) == []
    delete(shared)
    until_gone(shared)
    told = f"The claim shared stays with the artifacts {DIGEST}."
    shared.until("it is told", lambda: notes(shared, "ArtifactsRetained") == [told])
    assert not shared.select("job", "app.kubernetes.io/component=gc")


def test_a_change_of_the_policy_takes_the_finalizer_away_and_gives_it_back(shared: World) -> None:
    shared.bring_up(**SHARED)
    shared.apply(cache={"claimName": "shared", "deletionPolicy": "Retain"})
    shared.until("the finalizer is gone", lambda: finalizers(shared) == [])
    shared.apply(**SHARED)
    shared.until("the finalizer is back", lambda: finalizers(shared) == [FINALIZER])


def test_a_claim_that_was_made_stays_under_retain_and_serves_the_next_model_of_that_name(world: World) -> None:
    world.bring_up(**RETAIN)
    claim = world.get("pvc", "m-models")["metadata"]
    assert "ownerReferences" not in claim
    delete(world)
    until_gone(world)
    world.until("all else is gone", lambda: not world.select("job") and not world.select("pod"), COLLECTED_SECONDS)
    world.bring_up()
    again = world.get("pvc", "m-models")["metadata"]
    assert again["uid"] == claim["uid"]
    assert [owner["name"] for owner in again["ownerReferences"]] == ["m"]


def test_a_claim_that_was_made_and_that_another_model_names_outlives_its_model(world: World) -> None:
    bring_up_on_a_volume(world)
    assert finalizers(world, "a") == []
    world.bring_up("b", digest=OTHER_DIGEST, cache={"claimName": "a-models"})
    world.until("the first lets go of its claim", lambda: "ownerReferences" not in claim_of(world, "a-models"))
    world.until("and has a finalizer in place of that", lambda: finalizers(world, "a") == [FINALIZER])
    delete(world, "a")
    pod = world.until_gc("a")
    assert arguments(pod) == ["job", "gc", "--keep", "b" * 64, "--unneeded", "a" * 64, "--store", "/models"]
    world.end_gc(pod)
    until_gone(world, "a")
    (note,) = notes(world, "ClaimKept")
    assert "stays, since other WhisperModels name it: b." in note
    assert "deletionTimestamp" not in claim_of(world, "a-models")


def test_it_goes_with_its_model_after_all_when_the_other_one_is_gone_by_then(world: World) -> None:
    bring_up_on_a_volume(world)
    world.bring_up("b", digest=OTHER_DIGEST, cache={"claimName": "a-models"})
    world.until("the first has a finalizer", lambda: finalizers(world, "a") == [FINALIZER])
    delete(world, "b")
    world.end_gc(world.until_gc("b"))
    until_gone(world, "b")
    delete(world, "a")
    until_gone(world, "a")
    world.until("the claim goes", lambda: "deletionTimestamp" in claim_of(world, "a-models"), COLLECTED_SECONDS)


def bring_up_on_a_volume(world: World) -> None:
    world.make_volume("20Gi")
    world.bring_up("a", cache={"storageClassName": world.namespace})
    world.until_bound("a-models")


def bring_up_and_replace(world: World, **spec: Any) -> None:
    """Have one artifact serve, and then another in its place."""
    before = world.bring_up(**spec)
    world.apply(sha256="0" * 64, **spec)
    world.publish(world.until_job(instead_of=before), OTHER_DIGEST)
    world.serve(digest=OTHER_DIGEST)


def claim_of(world: World, name: str) -> JSON:
    """The metadata of the claim; of one that is gone, only that it was deleted. Asked for once: it may go meanwhile."""
    found: list[JSON] = [one["metadata"] for one in world.select("pvc") if one["metadata"]["name"] == name]
    return found[0] if found else {"deletionTimestamp": "gone"}


@pytest.fixture
def hasty_operator(operator: OperatorProcess, operator_kubeconfig: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    """An operator that gives up on deletions after seconds, in place of the other."""
    operator.stop()
    hasty = OperatorProcess(operator_kubeconfig, tmp_path / "log", "--deletion-timeout-seconds=5")
    hasty.start()
    yield hasty
    hasty.stop()
    operator.start()


def test_a_job_that_never_ends_is_given_up_after_a_limit(shared: World, hasty_operator: OperatorProcess) -> None:
    shared.bring_up(**SHARED)
    delete(shared)
    shared.until_gc()
    until_gone(shared)
    (note,) = notes(shared, "ArtifactsLeft")
    assert "after 5 s, the Job m-gc-" in note
    shared.until("the Job is gone too", lambda: not shared.select("job", "app.kubernetes.io/component=gc"))
    assert not hasty_operator.defects()


def test_a_spec_that_cannot_be_carried_out_is_no_obstacle(shared: World) -> None:
    shared.bring_up(**SHARED)
    shared.apply(source={"http": {"url": "https://example.com:99999/m.tar"}}, **SHARED)
    shared.until_condition("Degraded", "True", "SpecInvalid")
    delete(shared)
    pod = shared.until_gc()
    assert arguments(pod)[2:5] == ["--keep-none", "--unneeded", "a" * 64]
    shared.end_gc(pod)
    until_gone(shared)


def test_what_falls_out_of_the_kept_revisions_is_removed_and_that_is_told(world: World) -> None:
    spec: JSON = {"cache": {"keepRevisions": 1}}
    bring_up_and_replace(world, **spec)
    pod = world.until_gc()
    assert arguments(pod) == ["job", "gc", "--keep", "b" * 64, "--unneeded", "a" * 64, "--store", "/models"]
    assert world.status()["unneeded"] == [DIGEST]
    world.end_gc(pod)
    world.until("it is done", lambda: "unneeded" not in world.status())
    world.until("the Job is gone", lambda: not world.select("job", "app.kubernetes.io/component=gc"))
    told = "Artifacts that are no longer kept were removed from the claim m-models: 7 bytes of 1 artifacts are freed."
    assert notes(world, "ArtifactsRemoved") == [told]


def test_when_that_fails_it_is_told_and_stays_to_be_removed(world: World) -> None:
    spec: JSON = {"cache": {"keepRevisions": 1}}
    bring_up_and_replace(world, **spec)
    world.fail_gc(world.until_gc(), 73)
    world.until("it is told", lambda: "removal" in world.status())
    world.until("the Job is gone", lambda: not world.select("job", "app.kubernetes.io/component=gc"))
    assert (world.status()["unneeded"], world.status()["removal"]["failures"]) == ([DIGEST], 1)
    assert world.condition("Ready")["status"] == "True"
    (left,) = notes(world, "ArtifactsLeft")
    assert left.endswith("Another try follows in 10 min.")


def test_what_another_model_uses_is_not_removed_when_it_is_no_longer_kept(shared: World) -> None:
    spec: JSON = {"cache": {"claimName": "shared", "keepRevisions": 1}}
    shared.bring_up("other", **spec)
    bring_up_and_replace(shared, **spec)
    shared.until("it is not to be removed", lambda: "unneeded" not in shared.status())
    assert not shared.select("job", "app.kubernetes.io/component=gc")
