"""From a WhisperModel to a published artifact: claim, Job, its outcome, and the attempts that follow a failure."""

import json

import pytest

from tests.cluster.errors import ClusterError
from tests.integration.world import DIGEST, JSON, OTHER_DIGEST, World, now
from tests.support.objects import model_of
from whisper_contract.reasons import FAILURES, Reason
from whisper_contract.termination import TerminationMessage
from whisper_operator.api import names

REFUSED = TerminationMessage(step="pull", reason="Unauthorized", message="The key AKIA… is not known to the server.")
RETRY = "stt.whisper-operator.io/retry"
SHARED: JSON = {"cache": {"claimName": "shared"}, "source": {"s3": {"bucket": "models", "key": "same"}}}


def test_a_new_model_gets_a_claim_a_job_and_all_conditions(world: World) -> None:
    world.apply(cache={"size": "5Gi", "storageClassName": "shared"})
    world.until_job()
    claim = world.get("pvc", "m-models")
    assert claim["spec"]["resources"]["requests"]["storage"] == "5Gi"
    assert claim["spec"]["storageClassName"] == "shared"
    progressing = world.until_condition("Progressing", "True", "Pulling")
    assert progressing["observedGeneration"] == 1
    status = world.status()
    kinds = [one["type"] for one in status["conditions"]]
    assert kinds == ["ArtifactReady", "Available", "Progressing", "Degraded", "UpToDate", "Ready"]
    assert status["sourceURI"] == "s3://models/m.tar.zst"
    assert status["pull"] == {"attempt": 1}
    assert not world.exists("deployment", "m-server")


def test_a_claim_without_a_volume_is_left_as_it_is(world: World) -> None:
    world.apply(cache={"size": "5Gi"})
    world.until_job()
    world.apply(cache={"size": "6Gi"})
    world.until("the change is seen", lambda: world.status().get("observedGeneration") == 2)
    assert world.condition("Degraded")["status"] == "False"
    assert world.get("pvc", "m-models")["spec"]["resources"]["requests"]["storage"] == "5Gi"


def test_a_claim_that_may_not_grow_is_told_and_stops_nothing(world: World) -> None:
    world.make_volume("5Gi")
    world.apply(cache={"size": "5Gi", "storageClassName": world.namespace})
    pull = world.until_job()
    world.until("the claim has a volume", lambda: world.get("pvc", "m-models")["status"].get("phase") == "Bound")
    world.apply(cache={"size": "6Gi", "storageClassName": world.namespace})
    degraded = world.until_condition("Degraded", "True", "PodsForbidden")
    assert "only dynamically provisioned pvc can be resized" in degraded["message"]
    world.publish(pull)
    world.until("the servers are made all the same", lambda: world.exists("deployment", "m-server"))


def test_the_loaders_own_words_reach_the_condition(world: World) -> None:
    world.apply()
    world.fail_pull(world.until_job(), 65, REFUSED)
    degraded = world.until_condition("Degraded", "True", "Unauthorized")
    assert "The key AKIA… is not known to the server." in degraded["message"]
    assert FAILURES[Reason.UNAUTHORIZED].next_step in degraded["message"]
    again = "Attempt 1 failed; the next one follows within 1 min, or at once when the annotation"
    world.until("the next attempt is announced", lambda: again in world.condition("Degraded")["message"])
    assert len(world.jobs()) == 1


def test_an_exit_code_alone_tells_the_reason(world: World) -> None:
    world.apply()
    world.fail_pull(world.until_job(), FAILURES[Reason.CHECKSUM_MISMATCH].exit_code)
    world.until_condition("Degraded", "True", "ChecksumMismatch")


def test_a_code_that_another_try_may_cure_does_not_end_the_job(world: World) -> None:
    world.apply()
    pod = world.until_job()
    world.fail_pull(pod, 1)
    world.until("the Job counts the failure", lambda: world.jobs()[0]["status"].get("failed") == 1)
    (job,) = world.jobs()
    assert not [one for one in job["status"].get("conditions", []) if one["type"].startswith("Fail")]
    assert world.status()["target"]["state"] == "Pulling"


def test_a_new_value_of_the_retry_annotation_tries_at_once(world: World) -> None:
    world.apply()
    world.fail_pull(world.until_job(), 65, REFUSED)
    world.until_condition("Degraded", "True", "Unauthorized")
    world.kubectl("annotate", "wm", "m", f"{RETRY}=mended")
    second = world.until_job(attempt=2)
    world.until_condition("Progressing", "True", "Pulling")
    world.until_condition("Degraded", "True", "Unauthorized")  # until it has succeeded
    world.publish(second)
    world.until_condition("ArtifactReady", "True", "Published")
    world.until_condition("Degraded", "False", "RollingOut")
    assert [job["metadata"]["name"][-2:] for job in world.jobs()] == ["-1", "-2"]


def test_other_inputs_replace_a_running_pull(world: World) -> None:
    world.apply()
    first = world.until_job()
    world.apply(sha256="0" * 64)
    world.until("the first Job is gone", lambda: not world.exists("job", first["metadata"]["labels"]["job-name"]))
    (job,) = world.jobs()
    assert "--sha256" in job["spec"]["template"]["spec"]["initContainers"][0]["args"]
    world.publish(world.until_job(instead_of=first))
    world.until_condition("ArtifactReady", "True", "Published")


def test_a_named_claim_must_be_there(world: World) -> None:
    world.apply(cache={"claimName": "shared"})
    degraded = world.until_condition("Degraded", "True", "ClaimNotFound")
    assert "The claim shared (cache.claimName) does not exist. Create the claim" in degraded["message"]
    assert not world.jobs()
    world.make_claim("shared")
    pod = world.until_job()
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == "shared"
    assert not world.exists("pvc", "m-models")


def test_a_source_volume_must_be_there(world: World) -> None:
    world.apply(source={"volume": {"claimName": "checkout", "path": "whisper.tar"}})
    degraded = world.until_condition("Degraded", "True", "ClaimNotFound")
    assert "source.volume.claimName" in degraded["message"]
    world.make_claim("checkout", "ReadOnlyMany")
    world.until_job()


def test_a_claim_of_one_pod_is_of_no_use(world: World) -> None:
    world.make_claim("mine", "ReadWriteOncePod")
    world.apply(cache={"claimName": "mine"})
    degraded = world.until_condition("Degraded", "True", "AccessModeUnsupported")
    assert "The claim mine is ReadWriteOncePod" in degraded["message"]


def test_with_a_claim_of_one_node_a_pull_goes_where_servers_of_another_model_are(world: World) -> None:
    world.make_claim("shared", "ReadWriteOnce")
    world.apply("other", cache={"claimName": "shared"})
    world.publish(world.until_job(name="other"))
    world.until("the other one has a server", lambda: bool(world.server_pods("other")))
    world.place(world.server_pods("other")[0], "node-1")
    world.serve("other")
    world.apply(cache={"claimName": "shared"})
    affinity = world.until_job()["spec"]["affinity"]["podAffinity"]
    (near,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
    (whose,) = near["labelSelector"]["matchExpressions"]
    assert (near["topologyKey"], whose["values"]) == ("kubernetes.io/hostname", ["other"])


def test_of_two_models_that_pull_the_same_the_second_waits(world: World) -> None:
    world.make_claim("shared")
    world.apply("a", **SHARED)
    first = world.until_job(name="a")
    world.apply("b", **SHARED)
    waiting = world.until_condition("Progressing", "True", "WaitingForPeer", "b")
    assert "The WhisperModel a pulls the same model" in waiting["message"]
    assert not world.jobs("b")
    world.publish(first)
    world.publish(world.until_job(name="b"))
    world.until_condition("ArtifactReady", "True", "Published", "b")


def test_somebody_elses_job_of_that_name_is_told_and_left_alone(world: World) -> None:
    source = {"s3": {"bucket": "models", "key": "m.tar.zst"}}
    name = names.pull_job("m", model_of({"source": source}).inputs, 1)
    world.kubectl("create", "job", name, "--image=theirs")
    world.apply(source=source)
    degraded = world.until_condition("Degraded", "True", "SpecInvalid")
    assert f"The Job {name} exists and is not this WhisperModel's" in degraded["message"]
    assert world.get("job", name)["spec"]["template"]["spec"]["containers"][0]["image"] == "theirs"
    world.kubectl("delete", "job", name)
    world.until_job()


def test_a_peer_whose_pull_failed_is_not_waited_for(world: World) -> None:
    world.make_claim("shared")
    world.apply("a", **SHARED)
    first = world.until_job(name="a")
    world.apply("b", **SHARED)
    world.until_condition("Progressing", "True", "WaitingForPeer", "b")
    world.fail_pull(first, 65, REFUSED)
    world.until_job(name="b")


def test_a_quota_that_forbids_the_pod_is_told_and_when_it_is_raised_all_goes_on(world: World) -> None:
    quota: JSON = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {"hard": {"pods": "0"}},
    }
    world.make(quota)
    world.until("the quota holds", lambda: "hard" in world.get("quota", "q").get("status", {}))
    world.apply()
    degraded = world.until_condition("Degraded", "True", "PodsForbidden")
    assert "exceeded quota: q" in degraded["message"]
    world.kubectl("delete", "quota", "q")
    world.until_job()
    world.until_condition("Degraded", "False", "Pulling")


def test_a_policy_that_refuses_the_pod_is_told_in_its_words(world: World) -> None:
    """Any policy's refusal, pod security's too, is told by an event only."""
    words = "pods here have a label that names their team"
    name, admission = world.namespace, "admissionregistration.k8s.io/v1"
    here = {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    policy = {
        "matchConstraints": {"namespaceSelector": here, "resourceRules": [pods]},
        "validations": [{"expression": "'team' in object.metadata.?labels.orValue({})", "message": words}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    kinds = {"ValidatingAdmissionPolicy": policy, "ValidatingAdmissionPolicyBinding": binding}
    for kind, spec in kinds.items():
        made = {"apiVersion": admission, "kind": kind, "metadata": {"name": name}, "spec": spec}
        world.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(made))
    pod = {"metadata": {"name": "any"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    manifest = json.dumps({"apiVersion": "v1", "kind": "Pod", **pod})

    def is_refused() -> bool:
        try:
            world.kubectl("create", "--dry-run=server", "--filename=-", stdin=manifest)
        except ClusterError as error:
            return words in str(error)
        return False

    world.until("the policy is in force", is_refused)
    world.apply()
    assert words in world.until_condition("Degraded", "True", "PodsForbidden")["message"]
    for kind in kinds:
        world.kubectl("delete", kind, name)
    world.until_job()


def test_a_service_account_that_is_not_there_is_told(world: World) -> None:
    world.apply(pull={"serviceAccountName": "nobody"})
    degraded = world.until_condition("Degraded", "True", "PodsForbidden")
    assert 'serviceaccount "nobody" not found' in degraded["message"]


def test_a_pull_that_cannot_start_is_made_anew_when_what_kept_it_is_mended(world: World) -> None:
    """The spec's inputs are the same, and the Job that waits for a ServiceAccount would wait for its deadline."""
    world.apply(pull={"serviceAccountName": "nobody"})
    world.until_condition("Degraded", "True", "PodsForbidden")
    world.apply()
    world.until_job(attempt=2)
    world.until("the first Job is gone", lambda: len(world.jobs()) == 1)
    world.until_condition("Degraded", "False", "Pulling")


NOT_SCHEDULED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
PENDING: dict[str, tuple[JSON, str]] = {
    "no node": (
        {"conditions": [NOT_SCHEDULED | {"message": "0/1 nodes are available: 1 Insufficient cpu."}]},
        "Unschedulable",
    ),
    "no image": (
        {
            "initContainerStatuses": [
                {
                    "name": "pull",
                    "image": "i",
                    "imageID": "",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}},
                }
            ]
        },
        "ImagePullFailed",
    ),
}


@pytest.mark.parametrize("case", PENDING)
def test_what_keeps_the_pulls_pod_from_starting_is_told(world: World, case: str) -> None:
    status, reason = PENDING[case]
    world.apply()
    world.set_status(world.until_job(), **status)
    world.until_condition("Degraded", "True", reason)


KILLED = {"exitCode": 137, "reason": "OOMKilled", "startedAt": now(), "finishedAt": now()}
ENDED_BY_THE_NODE: dict[str, tuple[JSON, str, str]] = {
    "memory limit": (
        {
            "initContainerStatuses": [
                {
                    "name": "pull",
                    "image": "i",
                    "imageID": "i",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"terminated": KILLED},
                }
            ]
        },
        "OutOfMemory",
        "The container pull was killed at its memory limit.",
    ),
    "eviction": (
        {
            "reason": "Evicted",
            "message": "The node was low on resource: memory.",
            "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}],
        },
        "Evicted",
        "The node was low on resource: memory.",
    ),
}


@pytest.mark.parametrize("case", ENDED_BY_THE_NODE)
def test_what_the_node_did_to_the_pull_is_told_and_does_not_end_the_job(world: World, case: str) -> None:
    status, reason, words = ENDED_BY_THE_NODE[case]
    world.apply()
    world.set_status(world.until_job(), phase="Failed", **status)
    degraded = world.until_condition("Degraded", "True", reason)
    assert words in degraded["message"]
    assert "Another try follows by itself." in degraded["message"]
    (job,) = world.jobs()
    assert not [one for one in job["status"].get("conditions", []) if one["type"].startswith("Fail")]


def test_a_claim_without_a_volume_is_told_in_the_words_of_those_who_should_make_it(world: World) -> None:
    world.apply()
    unbound = NOT_SCHEDULED | {"message": "pod has unbound immediate PersistentVolumeClaims."}
    world.set_status(world.until_job(), conditions=[unbound])
    told = (
        "The claim m-models has no volume: no persistent volumes available for this claim and no storage class is set."
    )
    world.until("it is told", lambda: told in world.condition("Degraded").get("message", ""))
    world.until_condition("Degraded", "True", "ClaimPending")


def test_a_published_artifact_is_in_the_status(world: World) -> None:
    world.apply()
    world.publish(world.until_job(), OTHER_DIGEST)
    world.until_condition("ArtifactReady", "True", "Published")
    status = world.status()
    assert status["artifact"] == {
        "digest": OTHER_DIGEST,
        "shortDigest": "b" * 12,
        "source": "s3://models/m?etag=1",
        "format": "transformers",
        "quantization": "float16",
        "sizeBytes": 1000,
        "path": "artifacts/" + "b" * 64,
    }
    assert status["target"]["state"] == "Published"
    assert "pull" not in status
    assert DIGEST not in str(status)
