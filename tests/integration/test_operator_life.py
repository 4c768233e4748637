"""What becomes of models when they go, when the operator or the API server dies, and when nothing happens."""

import io
import json
import time

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.integration.audit import WRITES, Audit, Call
from tests.integration.operator_process import OperatorProcess
from tests.integration.world import World
from whisper_operator.app import RESYNC_SECONDS

# The garbage collector looks for new kinds, such as ours at the start of the tests, every half a minute.
COLLECTED_SECONDS = 240
NOT_FOUND = 404
OWNED = ("job", "pod", "pvc", "deployment", "replicaset", "service")


def left(world: World) -> list[str]:
    return [one["metadata"]["name"] for kind in OWNED for one in world.select(kind)]


def test_a_deleted_model_leaves_nothing(world: World) -> None:
    world.bring_up()
    assert len(left(world)) == 8
    world.kubectl("delete", "wm", "m", "--timeout=240s")
    world.until("nothing is left", lambda: not left(world), COLLECTED_SECONDS)


def test_a_model_that_is_deleted_in_mid_pull_leaves_nothing(world: World) -> None:
    world.apply()
    world.until_job()
    world.kubectl("delete", "wm", "m", "--timeout=240s")
    world.until("nothing is left", lambda: not left(world), COLLECTED_SECONDS)


def test_a_named_claim_outlives_its_model(world: World) -> None:
    world.make_claim("shared")
    world.bring_up(cache={"claimName": "shared"})
    world.kubectl("delete", "wm", "m", "--timeout=240s")
    world.until("only the claim is left", lambda: left(world) == ["shared"], COLLECTED_SECONDS)


def test_a_model_that_is_deleted_and_made_again_at_once_is_a_new_one(world: World) -> None:
    world.bring_up()
    before = {one["metadata"]["uid"] for kind in OWNED for one in world.select(kind)}
    world.kubectl("delete", "wm", "m", "--wait=false")
    world.apply()
    world.until(
        "all of the first is gone", lambda: not before & {one["metadata"]["uid"] for one in world.select("pod")}
    )
    world.publish(world.until_job())
    world.serve()
    assert not before & {one["metadata"]["uid"] for kind in OWNED for one in world.select(kind)}


def test_a_model_is_never_changed_but_in_its_status(world: World) -> None:
    world.bring_up()
    metadata = world.get("whispermodel", "m")["metadata"]
    assert "finalizers" not in metadata
    assert "annotations" not in metadata
    ours = [one for one in metadata["managedFields"] if one["manager"] == "whisper-operator"]
    assert [one["subresource"] for one in ours] == ["status"]


def test_a_killed_operator_goes_on_in_mid_pull(world: World, operator: OperatorProcess) -> None:
    world.apply()
    pull = world.until_job()
    operator.kill()
    world.publish(pull)
    operator.start()
    world.serve()
    assert len(world.jobs()) == 1


def test_a_killed_operator_goes_on_while_the_old_artifact_serves(world: World, operator: OperatorProcess) -> None:
    before = world.bring_up()
    operator.kill()
    world.apply(sha256="0" * 64)
    operator.start()
    pull = world.until_job(instead_of=before)
    operator.kill()
    world.fail_pull(pull, 68)
    operator.start()
    world.until_condition("Ready", "False", "ChecksumMismatch")
    assert world.condition("Available")["status"] == "True"


def test_an_operator_that_was_away_keeps_to_the_attempts_that_were_made(
    world: World, operator: OperatorProcess
) -> None:
    world.apply()
    world.fail_pull(world.until_job(), 65)
    world.until_condition("Degraded", "True", "Unauthorized")
    operator.kill()
    operator.start()
    world.kubectl("label", "wm", "m", "team=speech")
    time.sleep(3)
    assert len(world.jobs()) == 1
    world.until_condition("Degraded", "True", "Unauthorized")


def test_the_operator_ends_when_it_is_told_to(operator: OperatorProcess) -> None:
    assert operator.stop() == 0
    operator.start()


@pytest.mark.slow
def test_the_operator_outlives_a_restart_of_the_api_server(
    world: World, control_plane: ControlPlane, operator: OperatorProcess
) -> None:
    world.bring_up("before")
    pid = operator.pid
    control_plane.restart_apiserver()
    world.bring_up("after")
    world.kubectl("scale", "wm", "before", "--replicas=2")
    world.serve("before", replicas=2)
    assert operator.pid == pid


@pytest.mark.slow
def test_a_deletion_that_no_watch_tells_of_is_noticed_all_the_same(
    world: World, control_plane: ControlPlane, operator: OperatorProcess
) -> None:
    """While the operator hears nothing, an API server that starts anew forgets what its watches had still to tell."""
    world.bring_up()
    before = world.get("deployment", "m-server")["metadata"]["uid"]
    operator.pause()
    try:
        control_plane.restart_apiserver()
        world.kubectl("delete", "deployment", "m-server", "--cascade=orphan")
    finally:
        operator.go_on()
    soon = RESYNC_SECONDS / 2  # and not when everything is listed again anyway
    world.until("the Deployment is there again", lambda: world.exists("deployment", "m-server"), soon)
    assert world.get("deployment", "m-server")["metadata"]["uid"] != before


def test_when_nothing_happens_nothing_is_written(world: World, audit: Audit) -> None:
    world.bring_up("ready")
    world.apply("failed")
    world.fail_pull(world.until_job(name="failed"), 65)
    world.until_condition("Degraded", "True", "Unauthorized", "failed")
    world.apply("waiting", cache={"claimName": "nowhere"})
    world.until_condition("Degraded", "True", "ClaimNotFound", "waiting")
    versions: dict[str, str] = {}

    def settled() -> bool:
        before = dict(versions)
        versions.update(resource_versions(world))
        time.sleep(2)  # what was written last brings its own events
        return before == versions

    world.until("all is written", settled)
    calls = len(audit.calls())

    def here() -> list[Call]:
        return [call for call in audit.calls()[calls:] if call.namespace == world.namespace]

    def looks() -> int:
        """How often the claim that is not there was looked for."""
        return sum((call.resource, call.status) == ("persistentvolumeclaims", NOT_FOUND) for call in here())

    world.until("the missing claim is looked for twice", lambda: looks() >= 2)
    assert resource_versions(world) == versions
    assert not [call for call in here() if call.verb in WRITES]


def test_what_a_controller_notes_on_a_deployment_is_no_reason_to_apply_it_again(world: World, audit: Audit) -> None:
    world.bring_up()
    assert "deployment.kubernetes.io/revision" in world.get("deployment", "m-server")["metadata"]["annotations"]
    here = [call for call in audit.calls() if call.namespace == world.namespace and call.verb in WRITES]
    assert [call.verb for call in here if call.resource == "deployments"] == ["patch"]


def test_nothing_is_told_in_an_event_before_it_is_in_the_status(world: World, audit: Audit) -> None:
    world.apply()
    world.until_job()

    def written() -> list[str]:
        here = [call for call in audit.calls() if call.namespace == world.namespace and call.verb in WRITES]
        return [call.resource for call in here if call.resource in ("whispermodels/status", "events")]

    world.until("an event is written", lambda: "events" in written())
    assert written()[0] == "whispermodels/status"


def resource_versions(world: World) -> dict[str, str]:
    kinds = ("whispermodel", "job", "pvc", "deployment", "service")
    objects = [one for kind in kinds for one in world.select(kind)]
    return {
        f"{one['metadata']['name']}/{one['metadata']['uid']}": one["metadata"]["resourceVersion"] for one in objects
    }


def test_the_log_is_json_and_names_the_model(world: World, operator: OperatorProcess) -> None:
    operator.new_log()
    world.apply()
    log = io.StringIO()

    def started_a_pull() -> bool:
        log.write(operator.new_log())
        return "started a pull" in log.getvalue()

    world.until("the pull is in the log", started_a_pull)
    lines = [json.loads(line) for line in log.getvalue().splitlines() if "started a pull" in line]
    assert [(line["model"], line["level"]) for line in lines] == [(f"{world.namespace}/m", "INFO")]
