"""The port for kubelet and Prometheus."""

import asyncio
import logging
import time
import urllib.request
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest

from whisper_server.operations.lifecycle import Lifecycle, Phase
from whisper_server.operations.metrics import Metrics
from whisper_server.operations.probes import probe_application, serving_probes


class Probes:
    """The port, and what stands behind it."""

    def __init__(self, port: int, session: aiohttp.ClientSession, lifecycle: Lifecycle, metrics: Metrics) -> None:
        self.port = port
        self.session = session
        self.lifecycle = lifecycle
        self.metrics = metrics

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(path) as response:
            return response.status, await response.text()


@pytest.fixture
async def probes() -> AsyncIterator[Probes]:
    lifecycle, metrics = Lifecycle(), Metrics()
    async with (
        serving_probes(probe_application(lifecycle, metrics), "127.0.0.1", 0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        yield Probes(port, session, lifecycle, metrics)


@pytest.mark.parametrize(
    ("phase", "startup", "ready"), [(Phase.STARTING, 503, 503), (Phase.READY, 200, 200), (Phase.DRAINING, 200, 503)]
)
async def test_probes_follow_the_phase_and_liveness_does_not(
    probes: Probes, phase: Phase, startup: int, ready: int
) -> None:
    probes.lifecycle.phase = phase
    answer = f"{phase}\n"
    assert await probes.get("/health/startup") == (startup, answer)
    assert await probes.get("/health/ready") == (ready, answer)
    assert await probes.get("/health") == (ready, answer)
    assert await probes.get("/health/live") == (200, answer)


async def test_metrics_are_prometheus_text(probes: Probes) -> None:
    probes.metrics.requests.labels("Recognize", "OK").inc()
    async with probes.session.get("/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        text = await response.text()
    assert 'whisper_server_requests_total{code="OK",method="Recognize"} 1.0' in text
    assert "process_resident_memory_bytes" in text


async def test_another_path_is_not_found(probes: Probes) -> None:
    assert (await probes.get("/"))[0] == 404


async def test_a_port_that_is_taken_is_an_error() -> None:
    application = probe_application(Lifecycle(), Metrics())
    async with serving_probes(application, "127.0.0.1", 0) as port:
        with pytest.raises(OSError, match="is another server running there"):
            async with serving_probes(probe_application(Lifecycle(), Metrics()), "127.0.0.1", port):
                pass


async def test_what_is_no_request_is_one_line_without_what_was_in_it(
    probes: Probes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with probes.session.get("/health/live", headers={"Authorization": "secret" * 2_000}) as response:
        assert response.status == 400
    assert [(record.levelno, record.exc_info) for record in caplog.records] == [(logging.INFO, None)]
    assert "secret" not in caplog.text


@pytest.mark.parametrize("host", ["", "127.0.0.1", "localhost", "::"])
async def test_it_listens_where_it_is_told_to(host: str) -> None:
    async with (
        serving_probes(probe_application(Lifecycle(), Metrics()), host, 0) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://localhost:{port}/health/live") as response,
    ):
        assert response.status == 200


async def test_probes_answer_while_the_loop_of_calls_is_busy(probes: Probes) -> None:
    base = str(probes.session._base_url)

    def ask() -> int:
        with urllib.request.urlopen(f"{base}/health/live", timeout=240) as answer:
            return int(answer.status)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(ask).result(240) == 200, "nothing was awaited meanwhile"


async def test_a_loop_that_is_stuck_is_not_alive(probes: Probes, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 59)
    assert probes.lifecycle.alive
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    assert not probes.lifecycle.alive
    beating = asyncio.create_task(probes.lifecycle.beat())
    await asyncio.sleep(0)
    assert probes.lifecycle.alive
    beating.cancel()


@pytest.mark.parametrize(
    ("host", "advice"),
    [("127.0.0.1", "is another server running there?"), ("192.0.2.7", "--host has to be an address of this machine")],
)
async def test_a_port_that_cannot_be_had_is_told_with_what_to_look_at(probes: Probes, host: str, advice: str) -> None:
    port = probes.port
    with pytest.raises(OSError, match=rf"cannot listen on {host}:{port} for probes: .*{advice}"):
        async with serving_probes(probe_application(Lifecycle(), Metrics()), host, port):
            pass
