"""From a WhisperModel to a published artifact: claim, Job, its outcome, and the attempts that follow a failure."""

from tests.integration.world import DIGEST, World
from whisper_contract.reasons import FAILURES, Reason
from whisper_contract.termination import TerminationMessage

REFUSED = TerminationMessage(step="pull", reason="Unauthorized", message="The key AKIA… is not known to the server.")


def test_a_new_model_gets_a_claim_and_a_job_and_all_conditions(world: World) -> None:
    world.apply(cache={"size": "5Gi", "storageClassName": "shared"})
    world.until_job()
    claim = world.get("pvc", "m-models")
    assert claim["spec"]["resources"]["requests"]["storage"] == "5Gi"
    assert claim["spec"]["storageClassName"] == "shared"
    progressing = world.until_condition("Progressing", "True", "Pulling")
    assert progressing["observedGeneration"] == 1
    status = world.status()
    assert [one["type"] for one in status["conditions"]] == [
        "ArtifactReady",
        "Available",
        "Progressing",
        "Degraded",
        "Ready",
    ]
    assert status["sourceURI"] == "s3://models/m.tar.zst"
    assert status["pull"] == {"attempt": 1}
    assert not world.exists("deployment", "m-server")


def test_a_model_becomes_ready(world: World) -> None:
    world.bring_up()
    status = world.status()
    assert status["artifact"]["digest"] == DIGEST
    assert status["endpoints"] == {"grpc": f"m.{world.namespace}.svc:50051"}


def test_the_loaders_own_words_reach_the_condition(world: World) -> None:
    world.apply()
    world.fail_pull(world.until_job(), 65, REFUSED)
    degraded = world.until_condition("Degraded", "True", "Unauthorized")
    assert "The key AKIA… is not known to the server." in degraded["message"]
    assert FAILURES[Reason.UNAUTHORIZED].next_step in degraded["message"]
