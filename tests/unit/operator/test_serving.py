"""What the servers are up to: from the Deployment's own status, and from the pods that are not well."""

from typing import Any

import pytest

from tests.unit.operator.things import JSON, ended, running, says, server_pod, unscheduled, waiting
from whisper_operator.reconcile.serving import observe_servers


def deployment(replicas: int, updated: int, ready: int, *conditions: JSON, observed: int = 2) -> JSON:
    status = {"observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready}
    return {"metadata": {"generation": 2}, "status": {**status, "conditions": list(conditions)}}


def restarting(exit_code: int, **rest: Any) -> JSON:
    status = ended("server", exit_code, **rest)
    return status | {
        "restartCount": 3,
        "lastState": status["state"],
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    }


FORBIDDEN = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
OVERDUE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
READY: JSON = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}

# Deployment, pods, wanted → reason, words.
TABLE: dict[str, tuple[JSON, list[JSON], int, str, str]] = {
    "all are ready": (deployment(2, 2, 2), [], 2, "ServersReady", "2 of 2"),
    "all were ready before the template changed": (deployment(2, 2, 2, observed=1), [], 2, "RollingOut", "2 of 2"),
    "an old one is still there": (deployment(3, 2, 3), [], 2, "RollingOut", "3 of 2"),
    "one is not ready": (deployment(2, 2, 1), [], 2, "RollingOut", "1 of 2"),
    "none is wanted": (deployment(0, 0, 0), [], 0, "ScaledToZero", ""),
    "none is wanted, one is still there": (deployment(1, 1, 1), [], 0, "RollingOut", ""),
    "the pods are refused": (deployment(0, 0, 0, FORBIDDEN), [], 1, "PodsForbidden", "exceeded quota"),
    "no node": (deployment(1, 1, 0), [server_pod(**unscheduled())], 1, "Unschedulable", "0/1 nodes"),
    "no image": (
        deployment(1, 1, 0),
        [server_pod(phase="Pending", containerStatuses=[waiting("server", "ErrImagePull", "denied")])],
        1,
        "ImagePullFailed",
        "denied",
    ),
    "no container": (
        deployment(1, 1, 0),
        [server_pod(phase="Pending", containerStatuses=[waiting("server", "CreateContainerError", "no runtime")])],
        1,
        "ServersUnavailable",
        "no runtime",
    ),
    "no warm-up": (
        deployment(1, 1, 0),
        [server_pod(containerStatuses=[restarting(1, message=says("WarmUpFailed", "serve", "no GPU"))])],
        1,
        "WarmUpFailed",
        "no GPU",
    ),
    "no artifact": (
        deployment(1, 1, 0),
        [server_pod(containerStatuses=[restarting(75, message=says("ArtifactMissing", "serve"))])],
        1,
        "ArtifactMissing",
        "",
    ),
    "no memory": (
        deployment(1, 1, 0),
        [server_pod(containerStatuses=[restarting(137, reason="OOMKilled")])],
        1,
        "OutOfMemory",
        "server.resources.limits.memory",
    ),
    "it crashes without a word": (
        deployment(1, 1, 0),
        [server_pod(containerStatuses=[restarting(139)])],
        1,
        "ServersUnavailable",
        "exit code 139",
    ),
    "it starts": (deployment(1, 1, 0), [server_pod(containerStatuses=[running("server")])], 1, "RollingOut", "0 of 1"),
    "an evicted one is replaced": (
        deployment(1, 1, 0),
        [server_pod(phase="Failed", reason="Evicted", containerStatuses=[ended("server", 137)])],
        1,
        "RollingOut",
        "",
    ),
    "a ready one crashed once": (deployment(2, 2, 1), [server_pod(**READY)], 2, "RollingOut", "1 of 2"),
    "the deadline has passed": (deployment(1, 1, 0, OVERDUE), [], 1, "ServersUnavailable", "deadline"),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_the_servers_are_up_to(case: str) -> None:
    there, pods, wanted, reason, words = TABLE[case]
    serving = observe_servers(there, pods, wanted, claim_pending=False)
    assert serving is not None
    assert serving.finding.reason == reason
    assert words in serving.finding.message
    assert serving.settled == (reason in ("ServersReady", "ScaledToZero"))


ROLLED_OUT = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
ON_ITS_WAY = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (deployment(2, 1, 1, ON_ITS_WAY), "and a rollout is under way: spec.server.image changed."),
        (deployment(2, 2, 1, ON_ITS_WAY), "and a rollout is under way: spec.server.image changed."),
        (deployment(2, 2, 2, ROLLED_OUT, observed=1), "and a rollout is under way: spec.server.image changed."),
        (deployment(1, 1, 1, ROLLED_OUT), "and a rollout is under way: spec.server.image changed."),
        (deployment(2, 2, 1, ROLLED_OUT), "and the others are being started."),
    ],
    ids=["an old one is there", "all are new", "it begins", "there are too few", "one was lost later"],
)
def test_a_rollout_names_its_cause_and_what_is_none_does_not(there: JSON, words: str) -> None:
    there["metadata"]["annotations"] = {"stt.whisper-operator.io/cause": "spec.server.image"}
    serving = observe_servers(there, [], 2, claim_pending=False)
    assert serving is not None
    assert serving.finding.message.endswith(words)


def test_before_there_is_a_deployment_there_is_nothing_to_say() -> None:
    assert observe_servers(None, [], 1, claim_pending=False) is None


def test_a_server_that_leaves_is_not_asked_what_ails_it() -> None:
    leaving = server_pod(**unscheduled())
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    serving = observe_servers(deployment(1, 1, 0), [leaving], 1, claim_pending=False)
    assert serving is not None
    assert serving.finding.reason == "RollingOut"


def test_a_server_that_waits_for_the_gpu_of_one_that_leaves_is_no_trouble() -> None:
    leaving = server_pod(**READY)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    serving = observe_servers(deployment(1, 1, 0), [server_pod(**unscheduled()), leaving], 1, claim_pending=False)
    assert serving is not None
    assert serving.finding.reason == "RollingOut"


def test_a_server_whose_claim_has_no_volume_says_so() -> None:
    unbound = server_pod(**unscheduled("pod has unbound immediate PersistentVolumeClaims"))
    serving = observe_servers(deployment(1, 1, 0), [unbound], 1, claim_pending=True)
    assert serving is not None
    assert serving.finding.reason == "ClaimPending"
