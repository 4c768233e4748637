"""Things end in the middle: the operator is killed, a model is deleted. Nothing is lost, nothing is left."""

import time
from typing import Any

from tests.e2e.place import Place
from tests.support.archives import Archives
from tests.support.throttle import throttled

KINDS = "jobs,pods,deployments,replicasets,services,endpointslices,persistentvolumeclaims,configmaps,whispermodels"


def test_an_operator_killed_in_mid_pull_goes_on_where_it_was(place: Place, archives: Archives, operator: str) -> None:
    place.s3.put("models", "small.tar.zst", archives.whole())
    place.volume("store")
    slow = archives.whole().stat().st_size // 12
    with throttled(place.s3.host, (place.s3.host, place.s3.port), bytes_per_second=slow) as port:
        place.apply("small", place.s3_source("small.tar.zst", endpoint=f"http://{place.s3.host}:{port}"))
        pulling = wait_for_progress(place, "small")
        assert pulling["step"] == "pull"
        jobs = place.names("jobs")
        place.cluster.kubectl("delete", "pods", "--all", f"--namespace={operator}", "--force", "--grace-period=0")
        place.wait_ready("small")
    assert place.names("jobs") == jobs, "the pull that was under way was taken up, not started again"
    assert place.transcribe("small", "en-01.flac") == ["Hello."]


def test_deletion_leaves_nothing(place: Place, archives: Archives) -> None:
    place.s3.put("models", "small.tar.zst", archives.whole())
    place.volume("store")
    before = everything(place)
    place.apply("small", place.s3_source("small.tar.zst"))
    place.wait_ready("small")
    assert everything(place) > before
    place.kubectl("delete", "wm", "small", "--timeout=90s")
    deadline = time.monotonic() + 90
    while everything(place) != before and time.monotonic() < deadline:
        time.sleep(2)  # Each look is a process that asks for nine kinds.
    assert everything(place) == before


def wait_for_progress(place: Place, name: str) -> dict[str, Any]:
    """What status.pull says once some, and not all, bytes have come."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        pull: dict[str, Any] = place.status(name).get("pull", {})
        if 0 < pull.get("percent", 0) < 100:
            return pull
        time.sleep(0.2)
    raise AssertionError(f"no progress was ever shown\n{place.story(name)}")


def everything(place: Place) -> set[str]:
    """The names of all that could be left behind."""
    return place.names(KINDS)
