"""Where a Job that mounts the claim may run: with a claim that one node can mount, where servers have it."""

from typing import Any

import pytest

from tests.unit.operator.things import JSON, model, server_pod
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
