"""What happens when a WhisperModel changes while it serves: which artifact the servers get, and what is kept."""

import json
from typing import Any

import pytest

from tests.integration.operator_process import OperatorProcess
from tests.integration.world import DIGEST, JSON, OTHER_DIGEST, World

THIRD_DIGEST = "sha256:" + "c" * 64


def served(world: World) -> str:
    """The digest of the artifact that the Deployment serves."""
    annotations = world.get("deployment", "m-server")["spec"]["template"]["metadata"]["annotations"]
    return str(annotations["stt.whisper-operator.io/artifact"])


def kept(world: World) -> list[str]:
    return [revision["digest"] for revision in world.status().get("revisions", [])]


def publish_another(world: World, before: JSON, digest: str = OTHER_DIGEST, **spec: Any) -> JSON:
    """Ask for another model, let it be published, and return the pod of its pull."""
    world.apply(sha256=digest[-1] * 64, **spec)
    pull = world.until_job(instead_of=before)
    world.publish(pull, digest)
    world.until("the servers get what was published", lambda: served(world) == digest)
    return pull


def test_an_artifact_is_the_last_that_served_only_when_all_servers_are_ready_with_it(world: World) -> None:
    before = world.bring_up()
    world.until("it has served", lambda: kept(world) == [DIGEST])
    publish_another(world, before)
    world.until_condition("Ready", "False", "RollingOut")
    status = world.status()
    assert status["artifact"]["digest"] == DIGEST
    assert status["target"]["artifact"]["path"] == "artifacts/" + "b" * 64
    assert kept(world) == [DIGEST]
    world.serve(digest=OTHER_DIGEST)
    assert world.status()["artifact"]["digest"] == OTHER_DIGEST
    assert kept(world) == [OTHER_DIGEST, DIGEST]


def test_no_more_is_kept_than_was_asked_for(world: World) -> None:
    before = world.bring_up(cache={"keepRevisions": 1})
    publish_another(world, before, cache={"keepRevisions": 1})
    world.serve(digest=OTHER_DIGEST)
    assert kept(world) == [OTHER_DIGEST]


def test_when_the_spec_changes_during_a_rollout_the_last_that_served_comes_back(world: World) -> None:
    before = publish_another(world, world.bring_up())
    world.apply(sha256="c" * 64)
    pull = world.until_job(instead_of=before)
    world.until("the last that served is back", lambda: served(world) == DIGEST)
    world.publish(pull, THIRD_DIGEST)
    world.until("the third is rolled out", lambda: served(world) == THIRD_DIGEST)
    world.serve(digest=THIRD_DIGEST)
    assert kept(world) == [THIRD_DIGEST, DIGEST]


QUICK = {"rollout": {"progressDeadlineSeconds": 10}}


def reject_another(
    world: World, reason: str = "WarmUpFailed", message: str = "CUDA failed: out of memory", **server: Any
) -> JSON:
    """Let a second artifact be rolled out whose servers end with this, until it is rejected; return its pull."""
    server |= QUICK
    pull = publish_another(world, world.bring_up(server=server), server=server)
    world.until("a server of the new one is there", lambda: len(world.server_pods()) == 2)
    (new,) = (pod for pod in world.server_pods() if is_with(pod, OTHER_DIGEST))
    world.crash(new, 1, reason, message)
    world.until("it is rejected", lambda: world.status()["target"]["state"] == "Rejected")
    return pull


def is_with(pod: JSON, digest: str) -> bool:
    return bool(pod["metadata"]["annotations"]["stt.whisper-operator.io/artifact"] == digest)


def test_a_rollout_that_cannot_finish_goes_back_to_the_last_that_served(
    world: World, operator: OperatorProcess
) -> None:
    reject_another(world)
    world.until("the last that served is back", lambda: served(world) == DIGEST)
    degraded = world.until_condition("Degraded", "True", "WarmUpFailed")
    assert "with bbbbbbbbbbbb, which is rejected, and aaaaaaaaaaaa serves on: CUDA failed" in degraded["message"]
    world.until_condition("Ready", "False", "WarmUpFailed")
    assert world.condition("Available")["status"] == "True"
    assert world.condition("ArtifactReady")["status"] == "True"
    assert kept(world) == [DIGEST]
    world.until("its servers are gone", lambda: [is_with(pod, DIGEST) for pod in world.server_pods()] == [True])
    # Neither another operator nor an autoscaler tries it again.
    operator.kill()
    operator.start()
    world.kubectl("scale", "wm", "m", "--replicas=2")
    world.until("the second is made", lambda: len(world.server_pods()) == 2)
    for pod in world.server_pods():
        world.make_ready(pod)
    world.until("both are ready", lambda: world.status()["ready"] == "2/2")
    assert served(world) == DIGEST
    assert world.status()["target"]["state"] == "Rejected"
    assert len([note for note in world.select("event") if note["reason"] == "Rejected"]) == 1


def test_an_artifact_that_hears_the_golden_clip_wrongly_is_rejected(world: World) -> None:
    clip = {"configMapName": "clip", "maxWordErrorPercent": 5}
    reject_another(world, "GoldenClipFailed", "the golden clip came out with 40 % of word errors", goldenClip=clip)
    degraded = world.until_condition("Degraded", "True", "GoldenClipFailed")
    assert "serves on: the golden clip came out with 40 % of word errors. Compare what" in degraded["message"]
    arguments = world.get("deployment", "m-server")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[-2:] == ["--golden-max-word-error-percent", "5"]
    assert "/var/run/whisper/golden-clip/audio" in arguments


@pytest.mark.slow
def test_what_was_rejected_is_tried_again_when_a_person_asks(world: World) -> None:
    reject_another(world)
    world.until("the last that served is back", lambda: served(world) == DIGEST)
    # At once: until that is rolled out, the Deployment goes on saying that the deadline has passed.
    world.kubectl("annotate", "wm", "m", "stt.whisper-operator.io/retry=1")
    world.until("it is tried again", lambda: served(world) == OTHER_DIGEST)
    world.serve(digest=OTHER_DIGEST)
    assert kept(world) == [OTHER_DIGEST, DIGEST]
    world.until_condition("Degraded", "False", "ServersReady")


@pytest.mark.slow
def test_only_the_artifact_goes_back_and_another_model_is_tried_as_ever(world: World) -> None:
    rejected = reject_another(world)
    world.apply(sha256="c" * 64, server={**QUICK, "env": [{"name": "A", "value": "1"}]})
    world.publish(world.until_job(instead_of=rejected), THIRD_DIGEST)
    world.until("the third is rolled out", lambda: served(world) == THIRD_DIGEST)
    world.serve(digest=THIRD_DIGEST)
    assert kept(world) == [THIRD_DIGEST, DIGEST]


def test_a_pinned_artifact_serves_whatever_the_source_holds(world: World) -> None:
    before = publish_another(world, world.bring_up())
    world.serve(digest=OTHER_DIGEST)
    world.apply(sha256="b" * 64, pin=DIGEST)
    world.until("the first is back", lambda: served(world) == DIGEST)
    world.serve(digest=DIGEST)
    ready = world.until_condition("ArtifactReady", "True", "Pinned")
    assert f"The artifact {DIGEST} is pinned, and nothing is pulled" in ready["message"]
    assert kept(world) == [DIGEST, OTHER_DIGEST]
    world.apply(sha256="c" * 64, pin=DIGEST)
    generation = world.get("whispermodel", "m")["metadata"]["generation"]
    world.until("the new source is known", lambda: world.status()["observedGeneration"] == generation)
    assert world.condition("Ready")["status"] == "True"
    assert not world.jobs()
    world.apply(sha256="c" * 64)
    world.publish(world.until_job(instead_of=before), THIRD_DIGEST)
    world.until("the source is followed again", lambda: served(world) == THIRD_DIGEST)
    world.serve(digest=THIRD_DIGEST)
    assert kept(world) == [THIRD_DIGEST, DIGEST]


def test_what_is_not_kept_cannot_be_pinned(world: World) -> None:
    world.bring_up()
    world.apply(pin=OTHER_DIGEST)
    degraded = world.until_condition("Degraded", "True", "SpecInvalid")
    assert f"which is not kept: kept are {DIGEST}. Pin one of these" in degraded["message"]
    assert world.condition("Available")["status"] == "True"
    assert served(world) == DIGEST


def test_a_pinned_artifact_that_is_lost_is_told_and_not_pulled(world: World) -> None:
    world.bring_up()
    world.apply(pin=DIGEST)
    world.until_condition("ArtifactReady", "True", "Pinned")
    world.crash(world.server_pods()[0], 75, "ArtifactMissing", "/models/artifacts/aaaa is not there")
    degraded = world.until_condition("Degraded", "True", "ArtifactMissing")
    assert "is no longer on the volume. Pin another that is kept, or remove spec.pin" in degraded["message"]
    assert not world.jobs()


def test_a_paused_model_is_left_as_it_is(world: World) -> None:
    world.bring_up()
    world.apply(paused=True)
    world.until_condition("Ready", "True", "Paused")
    world.apply(paused=True, sha256="b" * 64, server={"replicas": 2, "podLabels": {"team": "speech"}})
    world.until_condition("Ready", "False", "Paused")
    world.until_condition("ArtifactReady", "False", "Paused")
    assert world.condition("Available")["status"] == "True"
    world.kubectl("delete", "service", "m")
    world.crash(world.server_pods()[0], 1, "WarmUpFailed", "CUDA failed: out of memory")
    world.until_condition("Degraded", "True", "WarmUpFailed")  # it was visited since
    assert len(world.jobs()) == 1
    assert world.get("deployment", "m-server")["spec"]["replicas"] == 1
    assert not world.exists("service", "m")
    world.apply(paused=False)
    world.until("it is served again", lambda: world.exists("service", "m"))
    world.serve()


def test_a_model_that_is_paused_from_the_start_makes_nothing_and_can_go(world: World) -> None:
    world.apply(paused=True)
    world.until_condition("Ready", "False", "Paused")
    assert not world.jobs()
    assert not world.exists("pvc", "m-models")
    world.kubectl("delete", "wm", "m", "--timeout=240s")


BAKED: JSON = {"source": {"baked": {"path": "/model"}}, "server": {"image": "whisper-server-mine:1", **QUICK}}


def test_a_model_inside_the_servers_image_is_served_without_a_claim_or_a_pull(world: World) -> None:
    world.apply(**BAKED)
    world.until("a server is there", lambda: bool(world.server_pods()))
    world.serve()
    pod = world.server_pods()[0]["spec"]
    assert pod["containers"][0]["args"][:2] == ["--model", "/model"]
    assert not [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
    status = world.status()
    assert (status["sourceURI"], status["artifact"]) == ("file:///model", {"path": "/model"})
    assert world.until_condition("ArtifactReady", "True", "Published")
    assert world.until_condition("UpToDate", "True", "SourceFixed")
    world.kubectl("scale", "wm", "m", "--replicas=0")
    world.until_condition("Ready", "True", "ScaledToZero")
    world.apply(**BAKED | {"server": {"image": "whisper-server-mine:2", **QUICK}})
    world.kubectl("scale", "wm", "m", "--replicas=1")
    world.until("it has the other image", lambda: "whisper-server-mine:2" in str(world.server_pods()))
    world.serve()
    assert not world.select("job")
    assert not world.select("pvc")
    world.kubectl("delete", "wm", "m", "--timeout=240s")
    kinds = ("deployment", "service", "pod")
    world.until("nothing is left of it", lambda: not [one for kind in kinds for one in world.select(kind)])


def test_from_a_volume_to_an_image_and_back_the_artifact_is_still_there(world: World) -> None:
    world.bring_up(server=QUICK)
    world.apply(**BAKED)
    world.until("the image is rolled out", lambda: served(world) == "/model")

    def has_served() -> bool:
        world.serve()  # what the status says may be of before the rollout
        return [one.get("digest", one["path"]) for one in world.status()["revisions"]] == ["/model", DIGEST]

    world.until("the image has served", has_served)
    world.apply(server=QUICK)
    world.publish(world.until_job())  # it finds what it pulled before
    world.until("the volume is back", lambda: served(world) == DIGEST)
    world.serve(digest=DIGEST)
    world.until("of an image there is nothing to remove", lambda: "unneeded" not in world.status())


def test_an_image_that_holds_no_model_is_told(world: World) -> None:
    world.apply(**BAKED)
    world.until("a server is there", lambda: bool(world.server_pods()))
    world.crash(world.server_pods()[0], 75, "ArtifactMissing", "/model is not there")
    degraded = world.until_condition("Degraded", "True", "ArtifactMissing")
    assert "holds no model at /model. Correct source.baked.path" in degraded["message"]


@pytest.mark.slow
def test_from_an_image_that_does_not_serve_the_model_on_the_volume_comes_back(world: World) -> None:
    world.bring_up(server=QUICK)
    world.apply(**BAKED)
    world.until("the image is rolled out", lambda: served(world) == "/model")
    world.until("its pull is of no use", lambda: not world.jobs())
    world.until("it is rejected", lambda: world.status()["target"]["state"] == "Rejected")
    world.until("the last that served is back", lambda: served(world) == DIGEST)
    mounts = world.get("deployment", "m-server")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "models", "persistentVolumeClaim": {"claimName": "m-models"}} in mounts
    assert world.condition("Available")["status"] == "True"


def test_an_upgrade_of_the_operator_neither_pulls_nor_rolls_out(world: World, operator: OperatorProcess) -> None:
    world.bring_up()
    jobs = [job["metadata"]["uid"] for job in world.jobs()]
    generation = world.get("deployment", "m-server")["metadata"]["generation"]
    operator.kill()
    # What the first version wrote: no revisions, and of the target no more than its digest.
    gone = [{"op": "remove", "path": f"/status/{path}"} for path in ("revisions", "target/artifact")]
    world.kubectl("patch", "wm", "m", "--subresource=status", "--type=json", f"--patch={json.dumps(gone)}")
    operator.start()
    world.until("it is known to have served", lambda: kept(world) == [DIGEST])
    assert world.condition("Ready")["status"] == "True"
    assert [job["metadata"]["uid"] for job in world.jobs()] == jobs
    assert world.get("deployment", "m-server")["metadata"]["generation"] == generation
