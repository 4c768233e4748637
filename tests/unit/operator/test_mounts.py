"""Why kubelet cannot make a pod's containers, in the words that it writes into its events."""

from typing import Any

import pytest

from tests.unit.operator.things import JSON, ago, pod, running, waiting
from whisper_operator.api.spec import parse_spec
from whisper_operator.builders.server_files import server_files
from whisper_operator.reconcile import mounts

SERVER = {
    "tls": {"secretName": "certificate", "clientCA": {"secretName": "authorities"}},
    "auth": {"secretRef": {"name": "callers"}},
    "options": {"profanityWordsRef": {"name": "words"}},
    "goldenClip": {"configMapName": "clip"},
}
FILES = server_files(parse_spec({"source": {"volume": {"claimName": "c"}}, "server": SERVER}).server)


def warning(reason: str, message: str, count: int = 2, minutes_ago: float = 1) -> JSON:
    return {"reason": reason, "message": message, "count": count, "lastTimestamp": ago(minutes_ago)}


def failed_mount(message: str, **more: Any) -> JSON:
    return warning("FailedMount", message, **more)


SECRET_MISSING = failed_mount('MountVolume.SetUp failed for volume "tls" : secret "certificate" not found')
UNMOUNTED = failed_mount("Unable to attach or mount volumes: unmounted volumes=[tls]: timed out", minutes_ago=0)

# Warnings → reason, words.
TABLE: dict[str, tuple[list[JSON], str, str]] = {
    "a Secret": ([SECRET_MISSING], "SecretNotFound", "The Secret certificate (server.tls.secretName) does not exist."),
    "a Secret, said only once": (
        [failed_mount('MountVolume.SetUp failed for volume "tokens" : secret "callers" not found', count=1)],
        "SecretNotFound",
        "(server.auth.secretRef) does not exist. Create it in this namespace, with tokens",
    ),
    "a Secret, and later that the pod waits": (
        [SECRET_MISSING, UNMOUNTED],
        "SecretNotFound",
        "with tls.crt and tls.key",
    ),
    "a key of a Secret": (
        [failed_mount('MountVolume.SetUp failed for volume "client-ca" : references non-existent secret key: ca.crt')],
        "SecretKeyMissing",
        "The Secret authorities (server.tls.clientCA) does not have the key ca.crt. Add the key to it.",
    ),
    "a ConfigMap": (
        [failed_mount('MountVolume.SetUp failed for volume "profanity-words" : configmap "words" not found')],
        "SpecInvalid",
        "The ConfigMap words (server.options.profanityWordsRef) does not exist.",
    ),
    "a golden clip": (
        [failed_mount('MountVolume.SetUp failed for volume "golden-clip" : configmap "clip" not found')],
        "SpecInvalid",
        "The ConfigMap clip (server.goldenClip.configMapName) does not exist. Create it in this namespace, with audio",
    ),
    "a key of a ConfigMap": (
        [
            failed_mount(
                'MountVolume.SetUp failed for volume "profanity-words" : '
                "configmap references non-existent config key: words.txt"
            )
        ],
        "SpecInvalid",
        "does not have the key words.txt",
    ),
    "a share that is down": (
        [failed_mount('MountVolume.SetUp failed for volume "pv-1" : mount failed: exit status 32')],
        "VolumeFailed",
        "exit status 32",
    ),
    "a disk that is elsewhere": (
        [warning("FailedAttachVolume", 'Multi-Attach error for volume "pv-1" Volume is already used by pod(s) other')],
        "VolumeFailed",
        "already used",
    ),
    "a runtime": (
        [warning("FailedCreatePodSandBox", 'Failed to create pod sandbox: no runtime for "nvidia" is configured')],
        "ServersUnavailable",
        "Correct runtimeClassName",
    ),
    "a network": (
        [warning("FailedCreatePodSandBox", "Failed to create pod sandbox: plugin type=bridge failed (add)")],
        "ServersUnavailable",
        "look at the node",
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_is_missing_is_told_in_the_words_of_the_spec(case: str) -> None:
    warnings, reason, words = TABLE[case]
    finding = mounts.hindrance(warnings, FILES, otherwise="ServersUnavailable")
    assert finding is not None
    assert finding.reason == reason
    assert finding.degraded
    assert words in finding.message


@pytest.mark.parametrize(
    "warnings",
    [
        [],
        [failed_mount('MountVolume.SetUp failed for volume "pv-1" : not registered yet', count=1)],
        [warning("Unhealthy", "Startup probe failed")],
    ],
    ids=["none", "one that has happened once", "one of something else"],
)
def test_what_may_pass_by_itself_is_not_told(warnings: list[JSON]) -> None:
    assert mounts.hindrance(warnings, FILES, otherwise="ServersUnavailable") is None


SCHEDULED = {"conditions": [{"type": "PodScheduled", "status": "True"}]}
CREATING = waiting("server", "ContainerCreating")


@pytest.mark.parametrize(
    "status",
    [{"phase": "Pending", **SCHEDULED}, {"phase": "Pending", **SCHEDULED, "containerStatuses": [CREATING]}],
    ids=["no container is known yet", "containers are being created"],
)
def test_a_pod_with_a_node_and_no_container_waits_for_kubelet(status: JSON) -> None:
    assert mounts.waiting_pod([pod(phase="Running"), pod(**status)]) is not None


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Pending", "containerStatuses": [CREATING]},
        {"phase": "Running", **SCHEDULED, "containerStatuses": [running("server")]},
        {"phase": "Pending", **SCHEDULED, "containerStatuses": [waiting("server", "ErrImagePull")]},
        {
            "phase": "Pending",
            **SCHEDULED,
            "initContainerStatuses": [running("pull")],
            "containerStatuses": [waiting("publish", "PodInitializing")],
        },
    ],
    ids=["no node", "it runs", "no image", "its first step runs"],
)
def test_another_pod_does_not(status: JSON) -> None:
    assert mounts.waiting_pod([pod(**status)]) is None
