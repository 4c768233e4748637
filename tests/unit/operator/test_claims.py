"""Where a Job that mounts the claim may run, and why a claim gets no volume."""

from typing import Any

import pytest

from tests.unit.operator.things import JSON, model, server_pod
from whisper_operator.api.reasons import Finding
from whisper_operator.builders.placement import PullPlacement
from whisper_operator.reconcile import claims
from whisper_operator.reconcile.observation import Observed

PLACED = server_pod() | {"spec": {"nodeName": "n"}}
NOT_PLACED = server_pod()
LEAVES = server_pod() | {"spec": {"nodeName": "n"}}
LEAVES["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"


def claim(mode: str) -> JSON:
    return {"metadata": {"name": "shared"}, "spec": {"accessModes": [mode]}}


def seen(mode: str = "ReadWriteOnce", **fields: Any) -> Observed:
    return Observed(model(cache={"claimName": "shared"}), claim=claim(mode), **fields)


@pytest.mark.parametrize(
    ("observed", "where", "beside"),
    [
        (seen("ReadWriteMany", pods=(PLACED,)), PullPlacement.ANYWHERE, []),
        (seen(), PullPlacement.LIKE_SERVERS, []),
        (seen(pods=(NOT_PLACED, LEAVES)), PullPlacement.LIKE_SERVERS, []),
        (seen(pods=(PLACED,)), PullPlacement.WITH_SERVERS, []),
        (seen(neighbours=("b", "a")), PullPlacement.WITH_SERVERS, ["a", "b"]),
        (seen(pods=(PLACED,), neighbours=("b",)), PullPlacement.WITH_SERVERS, ["b", "m"]),
    ],
    ids=["of many nodes", "nobody has it", "nobody has or keeps it", "its own servers", "others' servers", "both"],
)
def test_where_a_job_may_run(observed: Observed, where: PullPlacement, beside: list[str]) -> None:
    assert (claims.pull_placement(observed), claims.beside(observed)) == (where, beside)


def event(reason: str, kind: str, message: str, minute: int) -> JSON:
    return {"reason": reason, "type": kind, "message": message, "lastTimestamp": f"2026-01-01T00:{minute:02}:00Z"}


NO_CLASS = event("FailedBinding", "Normal", "no storage class is set", 1)
FAILED = event("ProvisioningFailed", "Warning", "only supports ReadWriteOnce", 2)
FIRST_CONSUMER = event("WaitForFirstConsumer", "Normal", "waiting for first consumer", 3)
PROVISIONING = event("ExternalProvisioning", "Normal", "waiting for a volume to be created", 3)


PENDING = Finding("ClaimPending", "the scheduler's words")


@pytest.mark.parametrize(
    ("finding", "events", "told"),
    [
        (PENDING, (FAILED, NO_CLASS, PROVISIONING), "The claim shared has no volume: only supports ReadWriteOnce"),
        (PENDING, (NO_CLASS, FIRST_CONSUMER), "The claim shared has no volume: no storage class is set"),
        (PENDING, (FIRST_CONSUMER, PROVISIONING), PENDING.detail),
        (Finding("Pulling"), (FAILED,), "The claim shared has no volume: only supports ReadWriteOnce"),
        (Finding("Pulling"), (FIRST_CONSUMER,), ""),
        (Finding("Unschedulable", "no GPU"), (FAILED,), "no GPU"),
    ],
)
def test_a_claim_without_a_volume_is_told_in_the_newest_words_of_those_who_should_make_it(
    finding: Finding, events: tuple[JSON, ...], told: str
) -> None:
    found = claims.in_own_words(seen(claim_events=events), finding)
    assert found.detail == told
    assert found.reason == ("ClaimPending" if "no volume" in told else finding.reason)
