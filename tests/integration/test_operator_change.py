"""What happens when a WhisperModel changes while it serves: which artifact the servers get, and what is kept."""

import json
from typing import Any

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
    world.serve()
    assert world.status()["artifact"]["digest"] == OTHER_DIGEST
    assert kept(world) == [OTHER_DIGEST, DIGEST]


def test_no_more_is_kept_than_was_asked_for(world: World) -> None:
    before = world.bring_up(cache={"keepRevisions": 1})
    publish_another(world, before, cache={"keepRevisions": 1})
    world.serve()
    assert kept(world) == [OTHER_DIGEST]


def test_when_the_spec_changes_during_a_rollout_the_last_that_served_comes_back(world: World) -> None:
    before = publish_another(world, world.bring_up())
    third = {"sha256": "c" * 64}
    world.apply(**third)
    pull = world.until_job(instead_of=before)
    world.until("the last that served is back", lambda: served(world) == DIGEST)
    world.publish(pull, THIRD_DIGEST)
    world.until("the third is rolled out", lambda: served(world) == THIRD_DIGEST)
    world.serve()
    assert kept(world) == [THIRD_DIGEST, DIGEST]


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
