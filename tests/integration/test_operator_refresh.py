"""A source that moves: it is asked again and again, and what comes of that is reported or followed."""

from tests.integration.world import DIGEST, JSON, OTHER_DIGEST, World
from whisper_contract.termination import TerminationMessage

RETRY = "stt.whisper-operator.io/retry"
REPORT: JSON = {"refresh": {"intervalSeconds": 3600}}
FOLLOW: JSON = {"refresh": {"intervalSeconds": 3600, "policy": "Follow"}}
SAME, MOVED = "s3://models/m?etag=1", "s3://models/m?etag=2"


def checks(world: World, kind: str) -> list[JSON]:
    return world.select(kind, "app.kubernetes.io/component=refresh")


def ask(world: World, value: str) -> JSON:
    """Have the source asked at once, and return the pod that does."""
    world.until("no check is left", lambda: not checks(world, "job") and not checks(world, "pod"))
    world.kubectl("annotate", "wm", "m", "--overwrite", f"{RETRY}={value}")
    world.until("the source is asked", lambda: bool(checks(world, "pod")))
    (pod,) = checks(world, "pod")
    return pod


def test_a_source_that_has_not_moved_is_up_to_date_and_no_job_stays(world: World) -> None:
    world.bring_up(**REPORT)
    world.until_condition("UpToDate", "Unknown", "NotChecked")
    assert not checks(world, "job")
    for value in ("once", "twice"):
        world.end_check(ask(world, value), SAME)
        world.until_condition("UpToDate", "True", "SourceUnchanged")
        world.until("the Job is gone", lambda: not checks(world, "job"))
    assert world.condition("Ready")["status"] == "True"
    assert len(world.jobs()) == 1


def test_a_source_that_has_moved_is_reported_and_nothing_else_happens(world: World) -> None:
    world.bring_up(**REPORT)
    world.end_check(ask(world, "now"), MOVED)
    moved = world.until_condition("UpToDate", "False", "SourceMoved")
    assert f"The source is {MOVED} by now, which is not pulled" in moved["message"]
    world.until("the Job is gone", lambda: not checks(world, "job"))
    assert [job["metadata"]["name"][-2:] for job in world.jobs()] == ["-1"]
    assert world.condition("Ready")["status"] == "True"
    world.until("an event tells", lambda: any(event["reason"] == "SourceMoved" for event in world.select("event")))


def test_a_source_that_is_followed_is_pulled_while_the_old_one_serves_and_then_rolled_out(world: World) -> None:
    world.bring_up(**FOLLOW)
    world.end_check(ask(world, "now"), MOVED)
    pull = world.until_job(attempt=2)
    world.until_condition("UpToDate", "False", "SourceMoved")
    assert world.condition("Available")["status"] == "True"
    assert world.status()["artifact"]["digest"] == DIGEST
    world.publish(pull, OTHER_DIGEST, source=MOVED)
    world.until_condition("UpToDate", "True", "SourceUnchanged")
    world.serve()
    assert world.status()["artifact"]["digest"] == OTHER_DIGEST
    assert [one["digest"] for one in world.status()["revisions"]] == [OTHER_DIGEST, DIGEST]
    assert not checks(world, "job")


def test_a_check_that_fails_is_told_and_the_model_stays_ready(world: World) -> None:
    world.bring_up(**FOLLOW)
    refused = TerminationMessage(step="resolve", reason="Unauthorized", message="the key is not known to the server")
    world.fail_check(ask(world, "now"), 65, refused)
    told = world.until_condition("UpToDate", "Unknown", "Unauthorized")
    assert "the key is not known to the server" in told["message"]
    assert world.condition("Ready")["status"] == "True"
    assert world.condition("Degraded")["status"] == "False"
    world.end_check(ask(world, "mended"), SAME)
    world.until_condition("UpToDate", "True", "SourceUnchanged")
