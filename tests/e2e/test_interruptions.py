"""Things end in the middle: the operator, a server, kubelet; a model is deleted. Nothing is lost, nothing is left."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.place import Place
from tests.support.archives import Archives
from tests.support.machine import name_of, processes_of
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


def test_a_server_and_a_kubelet_that_end_come_back_and_serve_on(place: Place, archives: Archives) -> None:
    place.s3.put("models", "small.tar.zst", archives.whole())
    place.volume("store")
    place.apply("small", place.s3_source("small.tar.zst"))
    place.wait_ready("small")
    jobs = place.names("jobs")
    place.cluster.nodes[0].kill_kubelet()
    assert place.transcribe("small", "en-01.flac") == ["Hello."], "containers do without kubelet"
    (server,) = (one for one in processes_of(place.cluster) if name_of(one) == "whisper-server")
    os.kill(server.pid, signal.SIGKILL)
    place.cluster.nodes[0].start_kubelet()
    place.wait_for("small", "its container is started again", lambda: restarts(place) == [1])
    place.wait_ready("small")
    assert place.transcribe("small", "en-01.flac") == ["Hello."]
    assert place.names("jobs") == jobs, "there is nothing to pull"


def restarts(place: Place) -> list[int]:
    """How often each server's container was started again."""
    servers = json.loads(place.kubectl("get", "pods", "--selector=app.kubernetes.io/component=server", "-o", "json"))
    return [status["restartCount"] for pod in servers["items"] for status in pod["status"]["containerStatuses"]]


def test_deletion_leaves_nothing(place: Place, archives: Archives) -> None:
    place.s3.put("models", "small.tar.zst", archives.whole())
    place.volume("store")
    before = everything(place)
    place.apply("small", place.s3_source("small.tar.zst"))
    place.wait_ready("small")
    assert everything(place) > before
    place.kubectl("delete", "wm", "small", "--timeout=240s")
    deadline = time.monotonic() + 240
    while everything(place) != before and time.monotonic() < deadline:
        time.sleep(2)  # Each look is a process that asks for nine kinds.
    assert everything(place) == before


@pytest.mark.slow
def test_the_last_model_on_a_named_claim_takes_its_artifact_along(place: Place, archives: Archives) -> None:
    place.s3.put("models", "small.tar.zst", archives.whole())
    folder = place.volume("store") / "artifacts"
    place.claim("store")
    for name in ("one", "other"):
        place.apply(name, place.s3_source("small.tar.zst"), cache={"claimName": "store"})
    digests = {place.wait_ready(name)["artifact"]["digest"].removeprefix("sha256:") for name in ("one", "other")}
    assert names_in(folder) == digests
    assert len(digests) == 1, "equal content is stored once"

    place.kubectl("delete", "wm", "one", "--timeout=240s", "--cascade=foreground")
    assert names_in(folder) == digests
    assert place.transcribe("other", "en-01.flac") == ["Hello."]

    place.kubectl("delete", "wm", "other", "--timeout=240s")
    assert names_in(folder) == set()
    assert "PersistentVolumeClaim/store" in place.names("persistentvolumeclaims")


def names_in(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def wait_for_progress(place: Place, name: str) -> dict[str, Any]:
    """What status.pull says once some, and not all, bytes have come."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        pull: dict[str, Any] = place.status(name).get("pull", {})
        if 0 < pull.get("percent", 0) < 100:
            return pull
        time.sleep(0.2)
    raise AssertionError(f"no progress was ever shown\n{place.story(name)}")


def everything(place: Place) -> set[str]:
    """The names of all that could be left behind."""
    return place.names(KINDS)
