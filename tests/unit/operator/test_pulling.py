"""What is done about the artifact, for all that can be seen: the whole planner as a table, then its parts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.objects import SETTINGS
from tests.unit.operator.things import (
    DIGEST,
    JSON,
    NOW,
    OTHER_DIGEST,
    PUBLISHED,
    ago,
    artifact,
    complete,
    ended,
    failed,
    job,
    model,
    pod,
    published_status,
    running,
    says,
    server_pod,
    unscheduled,
    waiting,
)
from whisper_operator.api.model import Model
from whisper_operator.api.reasons import Finding
from whisper_operator.api.status import Artifact, Phase
from whisper_operator.reconcile.observation import Observed
from whisper_operator.reconcile.pulling import Pulling, ahead, decide, put_off, retry_delay

MODEL = model()
DONE = model(status=published_status(MODEL))
UNAUTHORIZED = [pod(phase="Failed", initContainerStatuses=[ended("pull", 65, says("Unauthorized"))])]
PUBLISHING = [pod(phase="Succeeded", containerStatuses=[ended("publish", 0, PUBLISHED)])]


def missed(minutes_ago: float, digest: str = DIGEST) -> JSON:
    status = ended("server", 75, says("ArtifactMissing", "serve"), finishedAt=ago(minutes_ago))
    return server_pod(digest, containerStatuses=[status])


def lost() -> JSON:
    leaving = pod(phase="Running", initContainerStatuses=[running("pull")])
    leaving["metadata"]["deletionTimestamp"] = ago(3)
    return leaving


def seen(model: Model = MODEL, *jobs: JSON, pods: list[JSON] | None = None, **rest: Any) -> Observed:
    return Observed(model, jobs=jobs, pods=tuple(pods or ()), **rest)


def claim(*modes: str, **rest: Any) -> JSON:
    return {"metadata": {"name": "c", **rest}, "spec": {"accessModes": list(modes)}, "status": {"phase": "Bound"}}


NAMED = model(cache={"claimName": "c"})
FROM_VOLUME = model(source={"volume": {"claimName": "v"}})
RETRY = model(retry="2")
STUCK = [pod(**unscheduled())]
MENDED = model(pull={"nodeSelector": {"disk": "large"}})

# What is seen → phase, reason, the attempt that is started.
TABLE: dict[str, tuple[Observed, str, str, int | None]] = {
    "nothing": (seen(), "Pulling", "Pulling", 1),
    "a Job that runs": (seen(MODEL, job(MODEL)), "Pulling", "Pulling", None),
    "a Job that runs for other inputs": (seen(MODEL, job(model(sha256="0" * 64))), "Pulling", "Pulling", 1),
    "a Job that succeeded": (seen(MODEL, job(MODEL, 1, complete()), pods=PUBLISHING), "Published", "Published", None),
    "a success that is recorded, its pod gone": (seen(DONE, job(DONE, 1, complete())), "Published", "Published", None),
    "a success that is recorded, its Job gone": (seen(DONE), "Published", "Published", None),
    "a success that nobody can read any more": (
        seen(MODEL, job(MODEL, 1, complete(0.5))),
        "Failed",
        "InternalError",
        None,
    ),
    "the same, later": (seen(MODEL, job(MODEL, 1, complete(2))), "Pulling", "Pulling", 2),
    "a failure just now": (
        seen(MODEL, job(MODEL, 1, failed()), pods=UNAUTHORIZED),
        "Failed",
        "Unauthorized",
        None,
    ),
    "a failure a minute ago": (seen(MODEL, job(MODEL, 1, failed(1)), pods=UNAUTHORIZED), "Pulling", "Pulling", 2),
    "a second failure a minute ago": (seen(MODEL, job(MODEL, 2, failed(1))), "Failed", "InternalError", None),
    "a failure, and a person asks": (seen(RETRY, job(RETRY, 1, failed(), retry="1")), "Pulling", "Pulling", 2),
    "a failure that a person asked for": (
        seen(RETRY, job(RETRY, 2, failed(), retry="2")),
        "Failed",
        "InternalError",
        None,
    ),
    "a pod that is lost with its node": (seen(MODEL, job(MODEL), pods=[lost()]), "Pulling", "Pulling", 2),
    "a claim whose volume cannot be made, before the scheduler says so": (
        seen(
            MODEL,
            job(MODEL),
            pods=[pod()],
            claim=claim("ReadWriteMany"),
            claim_events=({"type": "Warning", "message": "no such class"},),
        ),
        "Pulling",
        "ClaimPending",
        None,
    ),
    "a pod that no node can take": (seen(MODEL, job(MODEL), pods=STUCK), "Pulling", "Unschedulable", None),
    "the same, and its placement has been mended": (seen(MENDED, job(MODEL), pods=STUCK), "Pulling", "Pulling", 2),
    "the same, and a person asks": (seen(RETRY, job(RETRY), pods=STUCK), "Pulling", "Pulling", 2),
    "a pod that is refused, and the ServiceAccount has been mended": (
        seen(MENDED, job(MODEL), events=({"message": "exceeded quota"},)),
        "Pulling",
        "Pulling",
        2,
    ),
    "a step that failed for lack of memory, before its limit was raised": (
        seen(MENDED, job(MODEL), pods=[pod(phase="Failed", initContainerStatuses=[ended("pull", 137)])]),
        "Pulling",
        "Pulling",
        2,
    ),
    "a failure that the Job has yet to take note of, and a person asks": (
        seen(RETRY, job(RETRY), pods=UNAUTHORIZED),
        "Pulling",
        "Unauthorized",
        None,
    ),
    "a pull that runs while its placement changes, and a person asks": (
        seen(replace(RETRY, spec=MENDED.spec), job(MODEL), pods=[pod(initContainerStatuses=[running("pull")])]),
        "Pulling",
        "Pulling",
        None,
    ),
    "servers that miss the artifact": (
        seen(DONE, job(DONE, 1, complete(5)), pods=[missed(1)]),
        "Pulling",
        "Pulling",
        2,
    ),
    "servers that miss it right after it was pulled": (
        seen(DONE, job(DONE, 1, complete(0.5)), pods=[missed(0.1)]),
        "Failed",
        "ArtifactMissing",
        None,
    ),
    "servers that missed it before it was pulled again": (
        seen(DONE, job(DONE, 2, complete(1)), pods=[missed(2)]),
        "Published",
        "Published",
        None,
    ),
    "servers that miss it, and no Job left": (seen(DONE, pods=[missed(1)]), "Pulling", "Pulling", 1),
    "a named claim that is not there": (seen(NAMED), "Blocked", "ClaimNotFound", None),
    "a named claim on its way out": (
        seen(NAMED, claim=claim("ReadWriteMany", deletionTimestamp=ago(1))),
        "Blocked",
        "ClaimNotFound",
        None,
    ),
    "a named claim": (seen(NAMED, claim=claim("ReadWriteMany")), "Pulling", "Pulling", 1),
    "a claim of one pod": (
        seen(NAMED, claim=claim("ReadWriteOncePod")),
        "Blocked",
        "AccessModeUnsupported",
        None,
    ),
    "a claim to read": (seen(NAMED, claim=claim("ReadOnlyMany")), "Blocked", "AccessModeUnsupported", None),
    "a source's claim that is not there": (seen(FROM_VOLUME), "Blocked", "ClaimNotFound", None),
    "a source's claim": (seen(FROM_VOLUME, source_claim=claim("ReadOnlyMany")), "Pulling", "Pulling", 1),
    "a named claim that vanished after it was published": (
        seen(model(cache={"claimName": "c"}, status=published_status(NAMED))),
        "Blocked",
        "ClaimNotFound",
        None,
    ),
}

KEPT = published_status(MODEL) | {"revisions": [msgspec.to_builtins(artifact(one)) for one in (DIGEST, OTHER_DIGEST)]}
BAKED = model(source={"baked": {"path": "/model"}})
PINNED = model(pin=OTHER_DIGEST, status=KEPT)
TABLE |= {
    "a pin": (seen(PINNED), "Published", "Pinned", None),
    "a pin while a pull runs": (seen(PINNED, job(PINNED)), "Published", "Pinned", None),
    "a pin of what is not kept": (seen(model(pin=OTHER_DIGEST)), "Blocked", "SpecInvalid", None),
    "a pin of what is missing": (seen(PINNED, pods=[missed(1, OTHER_DIGEST)]), "Failed", "ArtifactMissing", None),
    "a pin on a claim that is not there": (
        seen(model(pin=DIGEST, status=KEPT, cache={"claimName": "c"})),
        "Blocked",
        "ClaimNotFound",
        None,
    ),
    "a model inside the servers' image": (seen(BAKED), "Published", "Published", None),
    "a model inside the servers' image in place of one that is pulled": (
        seen(BAKED, job(MODEL)),
        "Published",
        "Published",
        None,
    ),
    "an image that does not hold the model": (
        seen(BAKED, pods=[missed(1, "/model")]),
        "Failed",
        "ArtifactMissing",
        None,
    ),
    "a pin that was removed": (
        seen(model(status=KEPT | {"target": {"state": "Published", "reason": "Pinned", "digest": DIGEST}})),
        "Pulling",
        "Pulling",
        1,
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_is_decided(case: str) -> None:
    observed, phase, reason, starts = TABLE[case]
    decision = decide(observed, NOW, SETTINGS)
    assert (decision.phase, decision.finding.reason) == (phase, reason)
    assert (decision.attempt if decision.start else None) == starts


@pytest.mark.parametrize("case", TABLE)
def test_what_is_not_settled_is_looked_at_again(case: str) -> None:
    """No state waits for an event that may never come, but for one: published."""
    decision = decide(TABLE[case][0], NOW, SETTINGS)
    assert (decision.look_again is None) == (decision.phase == "Published")


def test_attempts_follow_after_1_2_4_8_and_10_minutes() -> None:
    delays = [retry_delay(attempt) / timedelta(minutes=1) for attempt in range(1, 8)]
    assert delays == [1, 2, 4, 8, 10, 10, 10]


@given(st.integers(1, 10**9))
def test_no_number_of_failures_makes_the_delay_longer_than_ten_minutes(attempt: int) -> None:
    assert timedelta(minutes=1) <= retry_delay(attempt) <= timedelta(minutes=10)


def test_a_failed_attempt_is_looked_at_again_when_the_next_is_due() -> None:
    decision = decide(seen(MODEL, job(MODEL, 1, failed(0.25)), pods=UNAUTHORIZED), NOW, SETTINGS)
    assert decision.look_again == timedelta(seconds=45)
    assert "Attempt 1 failed" in decision.finding.message


def test_while_the_next_attempt_runs_the_failure_before_it_still_stands() -> None:
    decision = decide(seen(MODEL, job(MODEL, 1, failed(5)), job(MODEL, 2), pods=UNAUTHORIZED), NOW, SETTINGS)
    assert decision.finding.reason == "Pulling"
    assert decision.earlier is not None
    assert decision.earlier.reason == "Unauthorized"
    assert "Attempt 1 failed" in decision.earlier.message


def test_what_is_published_is_told_by_its_digest() -> None:
    assert decide(seen(DONE), NOW, SETTINGS).finding.message == f"The artifact {DIGEST} is published."


def test_while_a_peer_makes_the_next_attempt_the_failure_before_it_still_stands() -> None:
    there = seen(ME, job(ME, 1, failed(5)), pods=UNAUTHORIZED, claim=claim("ReadWriteMany"), peers=(peer("a"),))
    decision = decide(there, NOW, SETTINGS)
    assert decision.phase == "Waiting"
    assert decision.earlier is not None
    assert decision.earlier.reason == "Unauthorized"


def deleted(decision: Pulling) -> list[str]:
    return [one["metadata"]["name"].removeprefix("m-pull-") for one in decision.delete]


def test_jobs_of_other_inputs_are_deleted() -> None:
    other = model(sha256="0" * 64)
    decision = decide(seen(MODEL, job(other), job(MODEL)), NOW, SETTINGS)
    assert deleted(decision) == [f"{other.inputs[:8]}-1"]


def test_the_last_three_finished_jobs_are_kept() -> None:
    attempts = [job(MODEL, number, failed(60)) for number in range(1, 6)]
    decision = decide(seen(MODEL, *attempts), NOW, SETTINGS)
    assert deleted(decision) == [f"{MODEL.inputs[:8]}-{number}" for number in (1, 2)]


def test_a_lost_job_is_deleted_when_the_next_is_started() -> None:
    decision = decide(seen(MODEL, job(MODEL), pods=[lost()]), NOW, SETTINGS)
    assert decision.start
    assert deleted(decision) == [f"{MODEL.inputs[:8]}-1"]


def test_nothing_is_pulled_while_an_artifact_is_pinned() -> None:
    decision = decide(seen(PINNED, job(PINNED, 1, failed(5)), job(PINNED, 2)), NOW, SETTINGS)
    assert [one[-1] for one in deleted(decision)] == ["1", "2"]
    assert decision.artifact == artifact(OTHER_DIGEST)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (PINNED, f"kept are {DIGEST} and {OTHER_DIGEST}. Pin one of these"),
        (MODEL, "nothing has served yet. Remove spec.pin"),
    ],
    ids=["some", "none"],
)
def test_a_pin_of_what_is_not_kept_names_what_is(there: Model, said: str) -> None:
    wrong = "sha256:" + "c" * 64
    pinned = model(pin=wrong, status=there.status.to_json())
    assert f"spec.pin is {wrong}, which is not kept: {said}" in decide(seen(pinned), NOW, SETTINGS).finding.message


def test_of_a_model_inside_the_servers_image_no_more_is_known_than_its_path() -> None:
    decision = decide(seen(BAKED, job(MODEL)), NOW, SETTINGS)
    assert decision.artifact == Artifact(path="/model")
    assert deleted(decision) == [f"{MODEL.inputs[:8]}-1"]


def test_an_image_that_does_not_hold_the_model_needs_a_person() -> None:
    finding = decide(seen(BAKED, pods=[missed(1, "/model")]), NOW, SETTINGS).finding
    assert finding.degraded
    assert "The servers' image holds no model at /model. Correct source.baked.path" in finding.message


def test_a_stuck_job_gives_way_when_the_loader_has_another_image() -> None:
    """A registry that was named wrongly is mended in the chart: nobody should wait for the old Job's deadline."""
    pods = [pod(phase="Pending", initContainerStatuses=[waiting("pull", "ImagePullBackOff")])]
    observed = seen(MODEL, job(MODEL), pods=pods)
    assert not decide(observed, NOW, SETTINGS).start
    decision = decide(observed, NOW, replace(SETTINGS, loader_image="registry.example.com/whisper-loader:2"))
    assert decision.start
    assert deleted(decision) == [f"{MODEL.inputs[:8]}-1"]


def test_a_job_that_a_queue_has_suspended_says_so_and_is_left_alone() -> None:
    suspended = job(MODEL, 1, {"type": "Suspended", "status": "True"})
    decision = decide(seen(MODEL, suspended), NOW, SETTINGS)
    assert (decision.phase, decision.start, decision.delete) == ("Pulling", False, ())
    assert "is suspended, by a queue for Jobs or by a person. It goes on when" in decision.finding.message


def test_a_lost_job_that_was_left_behind_is_deleted_later() -> None:
    """The operator was killed between the two."""
    decision = decide(seen(MODEL, job(MODEL, 1), job(MODEL, 2)), NOW, SETTINGS)
    assert deleted(decision) == [f"{MODEL.inputs[:8]}-1"]


def test_the_pod_that_runs_is_asked_for_its_progress() -> None:
    decision = decide(
        seen(MODEL, job(MODEL), pods=[pod(phase="Pending", initContainerStatuses=[running("pull")])]), NOW, SETTINGS
    )
    assert decision.step == ("p", "pull")
    assert decision.look_again == timedelta(seconds=3)


def peer(name: str, state: str | None = None, *, created: str = "2026-01-01T00:00:00Z", **spec: Any) -> Model:
    spec = {"cache": {"claimName": "c"}, **spec}
    inputs = model(name, **spec).inputs
    status = {"target": {"inputsHash": inputs, "state": state, "reason": "x"}} if state else {}
    return model(name, created=created, status=status, **spec)


ME = peer("m", created="2026-01-02T00:00:00Z")
LATER = "2026-01-03T00:00:00Z"

PEERS: dict[str, tuple[list[Model], str | None]] = {
    "none": ([], None),
    "an older one that has yet to start": ([peer("a")], "a"),
    "an older one that waits itself": ([peer("a", "Waiting")], "a"),
    "an older one that pulls": ([peer("a", "Pulling")], "a"),
    "an older one whose attempt failed": ([peer("a", "Failed")], None),
    "an older one whose claim is not there": ([peer("a", "Blocked")], None),
    "an older one that is done": ([peer("a", "Published")], None),
    "a younger one that has yet to start": ([peer("a", created=LATER)], None),
    "a younger one that pulls already": ([peer("a", "Pulling", created=LATER)], "a"),
    "the oldest of several": ([peer("b", created="2026-01-01T10:00:00Z"), peer("a")], "a"),
    "an older one of another claim": ([peer("a", cache={"claimName": "other"})], None),
    "an older one of other inputs": ([peer("a", sha256="0" * 64)], None),
    "one of the same age and a smaller name": ([peer("l", created=ME.created)], "l"),
    "an older one that is pinned": ([peer("a", "Pulling", pin=DIGEST)], None),
    "an older one that is paused": ([peer("a", "Pulling", paused=True)], None),
    "one of the same age and a larger name": ([peer("n", created=ME.created)], None),
}


@pytest.mark.parametrize("case", PEERS)
def test_whom_a_model_waits_for(case: str) -> None:
    peers, name = PEERS[case]
    assert ahead(ME, peers) == name


@given(st.lists(st.sampled_from([None, "Waiting", "Failed", "Blocked"]), min_size=1, max_size=5))
def test_of_models_that_want_the_same_one_always_goes(states: list[str | None]) -> None:
    models = [peer(f"m{index}", state, created=f"2026-01-0{index + 1}T00:00:00Z") for index, state in enumerate(states)]
    going = [one for one in models if ahead(one, [other for other in models if other is not one]) is None]
    assert going


def test_one_that_waits_says_for_whom() -> None:
    decision = decide(seen(ME, claim=claim("ReadWriteMany"), peers=(peer("a"),)), NOW, SETTINGS)
    assert decision.phase == "Waiting"
    assert "The WhisperModel a pulls" in decision.finding.message


@pytest.mark.parametrize("order", [sorted, reversed])
def test_the_order_of_peers_does_not_count(order: Callable[[Any], Any]) -> None:
    peers = [peer("a"), peer("b")]
    assert ahead(ME, list(order(peers)) if order is reversed else peers) == "a"


def test_a_pull_that_has_to_wait_until_artifacts_are_removed_says_so_and_is_looked_at_again() -> None:
    decision = put_off(Pulling(Phase.PULLING, Finding("Pulling"), attempt=2, start=True))
    assert (decision.phase, decision.finding.reason) == (Phase.WAITING, "WaitingForCleanup")
    assert (decision.start, decision.attempt) == (False, None)
    assert decision.look_again is not None
