"""The operator around the queue: liveness, what kopf is told, and reading progress from logs."""

import asyncio
import threading
from typing import Any

import kubernetes.client
import pytest

from tests.support.objects import SETTINGS
from whisper_contract.progress import Progress
from whisper_operator.api.names import ModelKey
from whisper_operator.app import RESYNC_SECONDS, STALLED_SECONDS, Operator, resync_seconds
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.store import Store
from whisper_operator.metrics import Metrics
from whisper_operator.queue import WorkQueue
from whisper_operator.reconcile.progress import last_progress


class Now:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def operator() -> Operator:
    """One that talks to nobody: these tests make no call."""
    nobody: Any = kubernetes.client.Configuration
    client = KubeClient(kubernetes.client.ApiClient(nobody()))
    return Operator(SETTINGS, client, Store(), Metrics(), threading.Event(), ())


async def test_liveness_fails_when_the_queue_has_stopped() -> None:
    now = Now()
    stuck = operator()
    stuck.begin(WorkQueue(clock=now))
    stuck.queue.add(ModelKey("n", "m"))
    now.seconds = STALLED_SECONDS - 1
    assert await asyncio.to_thread(stuck.trouble) is None
    now.seconds = STALLED_SECONDS + 1
    assert await asyncio.to_thread(stuck.trouble) == "the work queue has not moved for 181 s"


async def test_liveness_fails_when_the_event_loop_hangs() -> None:
    hung = operator()
    hung.begin(WorkQueue())
    asked = threading.Thread(target=lambda: told.append(hung.trouble()))
    told: list[str | None] = []
    asked.start()
    asked.join()  # holds up the loop, which so cannot answer
    assert told == ["the event loop has not answered for 3 s"]


def test_before_it_has_started_it_is_alive() -> None:
    assert operator().trouble() is None


def test_models_that_were_visited_together_are_not_all_visited_again_together() -> None:
    delays = {resync_seconds() for _ in range(100)}
    assert len(delays) == 100
    assert all(2 / 3 <= delay / RESYNC_SECONDS <= 4 / 3 for delay in delays)


@pytest.mark.parametrize("kind", kinds.CHILDREN, ids=lambda kind: kind.plural)
def test_of_the_clusters_objects_only_ours_are_watched(kind: kinds.Kind) -> None:
    selectors = operator().kopf_settings.watching.label_selectors
    assert selectors[kind.group, kind.version, kind.plural] == "app.kubernetes.io/managed-by=whisper-operator"


def test_kopf_writes_no_events_and_looks_for_no_definitions() -> None:
    settings = operator().kopf_settings
    assert not settings.posting.enabled
    assert settings.scanning.disabled


@pytest.mark.parametrize(
    ("log", "progress"),
    [
        ("", None),
        ("starting\n", None),
        (
            "progress step=pull bytes=1 rate=2\nprogress step=pull bytes=3 rate=4\nwarning\n",
            Progress("pull", 3, None, 4),
        ),
        ("progress step=pull bytes=1 rate=2\nprogress step=pu", Progress("pull", 1, None, 2)),
    ],
    ids=["empty", "none yet", "the last", "a line cut short"],
)
def test_progress_is_the_last_whole_line_that_tells_it(log: str, progress: Progress | None) -> None:
    assert last_progress(log) == progress
