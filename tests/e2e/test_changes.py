"""What a model ships on a Friday: another revision under load, a bad one, and the way back."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.e2e import ground
from tests.e2e.place import CALLERS, SMALL, STREAMS, Place
from tests.support.archives import Archives
from tests.support.chart import CHART, helm
from tests.support.pages import commands, sections

DEADLINE_SECONDS = 90
SHORTEST_INTERVAL_SECONDS = 60
#: Each call of this recording takes a tenth of a second, so that some are under way at any moment.
CLIP, TEXT = "en-01.flac", "Hello."


def serving(place: Place, name: str) -> str:
    digest: str = place.status(name)["artifact"]["digest"]
    return digest


def test_another_revision_goes_into_service_under_load_without_a_failed_call(place: Place, archives: Archives) -> None:
    place.s3.put("models", "small.tar.zst", archives.whole())
    place.volume("store")
    source = place.s3_source("small.tar.zst")
    place.apply("small", source, conversion={"quantization": "float32"})
    place.wait_ready("small")
    first = serving(place, "small")
    with place.under_load(CLIP, "small") as told:
        place.apply("small", source, conversion={"quantization": "int8"})
        place.wait_for("small", "another revision serves", lambda: serving(place, "small") != first)
        second = serving(place, "small")
        # And back: what is kept is not pulled again.
        jobs = place.names("jobs")
        place.apply("small", source, conversion={"quantization": "int8"}, pin=first)
        place.wait_for("small", "the first one serves again", lambda: serving(place, "small") == first)
        place.wait("small", "Ready", status="True", reason="ServersReady")
    assert told["failed"] == []
    assert told["heard"] == [TEXT]
    assert told["answered"] > CALLERS
    assert told["streams"] > STREAMS
    assert place.names("jobs") <= jobs
    assert [one["digest"] for one in place.status("small")["revisions"]] == [first, second]


@pytest.mark.slow
def test_an_upgrade_of_the_chart_and_the_way_back_go_by_without_a_failed_call(
    place: Place, archives: Archives, tmp_path: Path
) -> None:
    place.s3.put("models", "small.tar.zst", archives.whole())
    place.volume("store")
    place.apply("small", place.s3_source("small.tar.zst"))
    place.wait_ready("small")
    (check,) = commands(sections("installing.md")["Check it"], "helm")
    said = helm(*check, f"--kubeconfig={place.cluster.kubeconfig}")
    assert "ok    WhisperModels are defined as this version knows them" in said
    assert "is at work: it renews the lease" in said

    jobs = place.names("jobs")
    with place.under_load(CLIP, "small") as told:
        # Another operator takes over, and has other pods of servers made.
        ground.install_operator(place.cluster, "servers.podLabels.tier=gold", chart=next_version(tmp_path))
        place.wait_for("small", "the upgrade's servers serve", lambda: tiers_that_serve(place, "small") == {"gold"})
        ground.roll_back_operator(place.cluster)
        place.wait_for("small", "the earlier servers serve", lambda: tiers_that_serve(place, "small") == {None})
    assert told["failed"] == []
    assert told["heard"] == [TEXT]
    assert place.names("jobs") == jobs, "nothing was pulled again"


def next_version(folder: Path) -> Path:
    """The chart as a later version of it."""
    chart = shutil.copytree(CHART, folder / "whisper-operator")
    text = (chart / "Chart.yaml").read_text()
    (chart / "Chart.yaml").write_text(re.sub(r"^(version|appVersion): .*", r"\1: 99.0.0", text, flags=re.MULTILINE))
    return chart


def tiers_that_serve(place: Place, name: str) -> set[str | None]:
    """The label `tier` of each of the model's servers, when as many are ready as there are to be."""
    deployment = json.loads(place.kubectl("get", "deployment", f"{name}-server", "-o", "json"))
    if deployment["status"].get("readyReplicas") != 1:
        return set()
    pods = json.loads(place.kubectl("get", "pods", "-l", "app.kubernetes.io/component=server", "-o", "json"))["items"]
    return {pod["metadata"]["labels"].get("tier") for pod in pods}


@pytest.mark.slow
def test_a_followed_revision_that_hears_nothing_is_rejected_and_the_one_before_serves_on(
    place: Place, archives: Archives
) -> None:
    place.s3.put("models", "friday.tar.zst", archives.whole())
    place.volume("store")
    place.golden_clip("clip", CLIP, TEXT)
    source = place.s3_source("friday.tar.zst")
    server = {
        "device": "cpu",
        "resources": SMALL,
        "goldenClip": {"configMapName": "clip"},
        "rollout": {"progressDeadlineSeconds": DEADLINE_SECONDS},
    }
    follow = {"policy": "Follow", "intervalSeconds": SHORTEST_INTERVAL_SECONDS}
    place.apply("small", source, server=server, refresh=follow)
    place.wait_ready("small")
    good = serving(place, "small")

    # The same name holds something else, which nobody says: it is noticed, pulled and tried.
    place.s3.put("models", "friday.tar.zst", archives.deaf())
    degraded = place.wait("small", "Degraded", status="True", reason="GoldenClipFailed")
    place.wait_for("small", "it is rejected", lambda: place.status("small")["target"]["state"] == "Rejected")
    assert "golden clip" in degraded["message"]
    assert place.condition("small", "Available")["status"] == "True"
    assert serving(place, "small") == good
    assert place.transcribe("small", CLIP) == [TEXT]

    place.s3.put("models", "friday.tar.zst", archives.whole())
    place.apply("small", source, server=server, conversion={"quantization": "float32"})
    place.wait_ready("small")
    assert place.transcribe("small", CLIP) == [TEXT]
