"""A real Prometheus that reads what it is told of, and answers a dashboard's expressions."""

import json
import math
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from tests.cluster import packages
from tests.cluster.ports import free_port
from tests.cluster.processes import answers, wait_until
from tests.dashboards.panels import Series

SCRAPE_SECONDS = 2
_PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Scraped:
    """A process that tells metrics.

    Attributes:
        address: host and port.
        labels: what the chart's PodMonitors add to each of its series.
    """

    address: str
    labels: dict[str, str]


def configuration(scraped: Sequence[Scraped]) -> dict[str, Any]:
    """Return Prometheus' configuration."""
    jobs: dict[str, list[Scraped]] = {}
    for one in scraped:
        jobs.setdefault(one.labels["job"], []).append(one)
    return {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
        "scrape_configs": [
            {
                "job_name": job,
                # As the chart's PodMonitor of the operator does; servers tell none of these labels themselves.
                "honor_labels": True,
                "static_configs": [{"targets": [one.address], "labels": one.labels} for one in targets],
            }
            for job, targets in jobs.items()
        ],
    }


class Prometheus:
    """A running Prometheus; use as a context, which ends it."""

    def __init__(self, folder: Path, scraped: Sequence[Scraped]) -> None:
        packages.ensure({"prometheus": "prometheus"})
        folder.mkdir()
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration(scraped)))
        self._log = folder / "log"
        address = f"127.0.0.1:{free_port()}"
        self._url = f"http://{address}"
        files = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
        command = [str(packages.find("prometheus")), *files, f"--web.listen-address={address}"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)

    def __enter__(self) -> Self:
        wait_until("Prometheus is ready", self._ready, seconds=_PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def _ready(self) -> bool:
        assert self._process.poll() is None, f"it has ended:\n{self._log.read_text()}"
        return answers(f"{self._url}/-/ready")

    def ask(self, expression: str, start: float, end: float) -> list[Series]:
        """What an expression amounts to from `start` to `end`, in seconds since 1970; no points where it is nothing."""
        query = {"query": expression, "start": start, "end": end, "step": SCRAPE_SECONDS}
        with urllib.request.urlopen(f"{self._url}/api/v1/query_range?{urllib.parse.urlencode(query)}") as answer:
            found = json.load(answer)["data"]["result"]
        return [Series(one["metric"], _points(one["values"])) for one in found]


def _points(values: Sequence[tuple[float, str]]) -> tuple[tuple[float, float], ...]:
    points = [(moment, float(value)) for moment, value in values]
    return tuple(point for point in points if math.isfinite(point[1]))
