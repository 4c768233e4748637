"""How a pull ended, or what keeps it: read from the Job, its pods and their containers' last words."""

from datetime import timedelta

import pytest

from tests.unit.operator.things import (
    DIGEST,
    JSON,
    NOW,
    PUBLISHED,
    ago,
    artifact,
    complete,
    ended,
    failed,
    job,
    model,
    pod,
    running,
    says,
    server_pod,
    unscheduled,
    waiting,
)
from whisper_operator.builders.source_access import source_volumes
from whisper_operator.reconcile import jobs

MODEL = model()
WITH_SECRET = {"http": {"url": "https://example.com/a.tar", "secretRef": {"name": "keys"}}}

FAILURES: dict[str, tuple[list[JSON], str, str]] = {
    "the loader's own words": (
        [pod(phase="Failed", initContainerStatuses=[ended("pull", 65, says("Unauthorized", message="wrong key"))])],
        "Unauthorized",
        "wrong key",
    ),
    "of the steps, the one that failed": (
        [
            pod(
                phase="Failed",
                initContainerStatuses=[ended("pull", 0), ended("convert", 70, says("InvalidModel", "convert"))],
            )
        ],
        "InvalidModel",
        "what happened",
    ),
    "the last step": (
        [pod(phase="Failed", containerStatuses=[ended("publish", 73, says("ClaimNotWritable", "publish"))])],
        "ClaimNotWritable",
        "what happened",
    ),
    "an exit code without words": (
        [pod(phase="Failed", initContainerStatuses=[ended("pull", 64)])],
        "SourceNotFound",
        "does not exist",
    ),
    "the words of another program": (
        [pod(phase="Failed", initContainerStatuses=[ended("pull", 1, "Killed")])],
        "InternalError",
        "exit code 1",
    ),
    "killed at the memory limit": (
        [pod(phase="Failed", initContainerStatuses=[ended("convert", 137, reason="OOMKilled")])],
        "OutOfMemory",
        "convert was killed at its memory limit",
    ),
    "evicted": (
        [pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory.")],
        "Evicted",
        "low on resource: memory",
    ),
    "no pod is left": ([], "Unauthorized", "refused the credentials"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_why_a_pull_failed(case: str) -> None:
    pods, reason, words = FAILURES[case]
    message = "Container pull for pod n/p failed with exit code 65 matching FailJob rule at index 1"
    finding = jobs.failure(job(MODEL, 1, failed(message=message)), pods)
    assert finding.reason == reason
    assert words in finding.message
    assert finding.degraded


@pytest.mark.parametrize(
    ("code", "reason", "words", "told"),
    [
        (
            66,
            "SecretNotFound",
            "the Secret that is mounted does not exist",
            "The Secret keys, which the source names, does not exist. Create",
        ),
        (67, "SecretKeyMissing", "the Secret needs token", "Of the Secret keys: the Secret needs token."),
    ],
)
def test_the_secret_that_a_pull_lacks_is_named(code: int, reason: str, words: str, told: str) -> None:
    lacks = pod(phase="Failed", initContainerStatuses=[ended("pull", code, says(reason, message=words))])
    lacks["spec"] = {"volumes": [{"name": "tmp"}, *source_volumes(model(source=WITH_SECRET))]}
    assert jobs.failure(job(MODEL, 1, failed()), [lacks]).message.startswith(told)


def test_the_newest_pod_tells() -> None:
    older, newer = (
        pod(phase="Failed", initContainerStatuses=[ended("pull", 1, says("SourceUnreachable", message=text))])
        for text in ("first", "second")
    )
    older["metadata"]["creationTimestamp"] = ago(40)
    found = jobs.failure(job(MODEL, 1, failed(reason="BackoffLimitExceeded")), [newer, older])
    assert found.detail == "second"


def test_the_jobs_own_deadline_is_told_even_when_its_pods_say_nothing() -> None:
    assert jobs.failure(job(MODEL, 1, failed(reason="DeadlineExceeded")), []).reason == "DeadlineExceeded"


def test_a_job_that_has_its_failure_target_has_failed() -> None:
    target = failed() | {"type": "FailureTarget"}
    assert not jobs.is_active(job(MODEL, 1, target))
    assert jobs.is_active(job(MODEL))


UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims"
NO_CLASS = 'storageclass.storage.k8s.io "fast" not found'
NOT_BOUND = 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'

OBSTACLES: dict[str, tuple[list[JSON], list[JSON], bool, str, str]] = {
    "nothing yet": ([], [], False, "Pulling", ""),
    "quota": ([], [{"message": "exceeded quota: pods=0", "lastTimestamp": ago(1)}], False, "PodsForbidden", "quota"),
    "quota, and a pod since": ([pod(phase="Pending")], [{"message": "old"}], False, "Pulling", ""),
    "no node": ([pod(**unscheduled())], [], False, "Unschedulable", "0/1 nodes are available"),
    "no volume": ([pod(**unscheduled(UNBOUND))], [], True, "ClaimPending", UNBOUND),
    "no storage class": ([pod(**unscheduled(NO_CLASS))], [], True, "ClaimPending", NO_CLASS),
    "no volume on the node that was found": (
        [pod(**unscheduled(NOT_BOUND, "SchedulerError"))],
        [],
        True,
        "ClaimPending",
        NOT_BOUND,
    ),
    "no node, and a claim that waits for its first pod": (
        [pod(**unscheduled("0/2 nodes are available: 2 Insufficient cpu"))],
        [],
        True,
        "Unschedulable",
        "Insufficient cpu",
    ),
    "no room on a node's disk, and a claim that waits for its first pod": (
        [pod(**unscheduled("0/2 nodes are available: 2 Insufficient ephemeral-storage"))],
        [],
        True,
        "Unschedulable",
        "ephemeral-storage",
    ),
    "a claim that waits for its first pod": ([pod(phase="Pending")], [], True, "Pulling", "waits for its claim"),
    "no image": (
        [pod(phase="Pending", initContainerStatuses=[waiting("pull", "ImagePullBackOff", "no such tag")])],
        [],
        False,
        "ImagePullFailed",
        "no such tag",
    ),
    "no container": (
        [pod(phase="Pending", initContainerStatuses=[waiting("pull", "CreateContainerConfigError", "is root")])],
        [],
        False,
        "InternalError",
        "is root",
    ),
    "the first step": ([pod(phase="Pending", initContainerStatuses=[running("pull")])], [], False, "Pulling", ""),
    "the second step": (
        [pod(phase="Pending", initContainerStatuses=[ended("pull", 0), running("convert")])],
        [],
        False,
        "Converting",
        "",
    ),
    "between two steps": (
        [pod(phase="Pending", initContainerStatuses=[ended("pull", 0), waiting("convert", "PodInitializing")])],
        [],
        False,
        "Converting",
        "",
    ),
    "the last step": ([pod(containerStatuses=[running("publish")])], [], False, "Publishing", ""),
    "the last step has ended, and the pod has not": (
        [pod(initContainerStatuses=[ended("pull", 0)], containerStatuses=[ended("publish", 0, PUBLISHED)])],
        [],
        False,
        "Publishing",
        "",
    ),
    "the last step has ended, and the Job has not": (
        [pod(phase="Succeeded", containerStatuses=[ended("publish", 0, PUBLISHED)])],
        [],
        False,
        "Publishing",
        "",
    ),
    "between two tries": (
        [pod(phase="Failed", initContainerStatuses=[ended("pull", 1, says("SourceUnreachable", message="no answer"))])],
        [],
        False,
        "SourceUnreachable",
        "between the cluster and the source. Another try follows by itself.",
    ),
}


@pytest.mark.parametrize("case", OBSTACLES)
def test_what_a_running_pull_is_at(case: str) -> None:
    pods, events, claim_pending, reason, words = OBSTACLES[case]
    finding = jobs.progress(pods, events, claim_pending=claim_pending)
    assert finding.reason == reason
    assert words in finding.message


def test_the_newest_event_tells() -> None:
    events: list[JSON] = [{"message": "new", "lastTimestamp": ago(1)}, {"message": "old", "lastTimestamp": ago(2)}]
    assert jobs.progress([], events, claim_pending=False).detail == "new"


def test_the_artifact_is_what_the_last_step_says() -> None:
    artifact = jobs.published([pod(phase="Succeeded", containerStatuses=[ended("publish", 0, PUBLISHED)])])
    assert artifact is not None
    assert (artifact.digest, artifact.short_digest, artifact.path) == (DIGEST, "a" * 12, "artifacts/" + "a" * 64)
    assert (artifact.format, artifact.quantization, artifact.size_bytes) == ("transformers", "float16", 7)


@pytest.mark.parametrize("words", ["", "fine", says("Published", "publish")], ids=["none", "foreign", "no digest"])
def test_a_job_that_names_no_digest_published_nothing_that_can_be_served(words: str) -> None:
    assert jobs.published([pod(containerStatuses=[ended("publish", 0, words)])]) is None


@pytest.mark.parametrize(("minutes", "lost"), [(1, False), (3, True)])
def test_a_pod_that_does_not_end_when_told_to_is_lost_with_its_node(minutes: int, lost: bool) -> None:  # noqa: FBT001
    leaving = pod()
    leaving["metadata"]["deletionTimestamp"] = ago(minutes)
    assert jobs.is_lost([leaving], NOW) is lost
    assert not jobs.is_lost([pod()], NOW)


def test_only_a_server_of_that_artifact_can_miss_it() -> None:
    missing = ended("server", 75, says("ArtifactMissing", "serve"))
    pods = [server_pod(DIGEST, containerStatuses=[missing]), server_pod("sha256:other", containerStatuses=[missing])]
    assert jobs.artifact_missing_since(pods, artifact()) == NOW
    assert jobs.artifact_missing_since(pods[1:], artifact()) is None


def test_when_a_job_finished_is_when_its_condition_came() -> None:
    assert jobs.finished(job(MODEL, 1, complete(5))) == NOW - timedelta(minutes=5)
