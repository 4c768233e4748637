"""What Prometheus reads; names after https://prometheus.io/docs/practices/naming/."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from whisper_operator.api.names import ModelKey
from whisper_operator.api.status import Status

#: A visit is a few calls to the API server.
_VISIT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
#: From a small model out of the same rack to a large one over a slow line.
_PULL_SECONDS = (5, 15, 30, 60, 120, 300, 600, 1_200, 3_600, 7_200)


class Metrics:
    """The operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        # The moment of creation of each series is of use to nobody and doubles their number.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # its annotations are incomplete
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.leader = Gauge(
            "whisper_operator_leader",
            "1 while this operator is the one at work, 0 while another is.",
            registry=self.registry,
        )
        self._depth = Gauge(
            "whisper_operator_queue_depth", "WhisperModels that wait for a visit.", registry=self.registry
        )
        self._oldest = Gauge(
            "whisper_operator_queue_oldest_seconds",
            "For how long the oldest of them has waited, or the longest visit has lasted.",
            registry=self.registry,
        )
        self.visit_seconds = Histogram(
            "whisper_operator_reconcile_seconds",
            "Length of a visit to one WhisperModel.",
            buckets=_VISIT_SECONDS,
            registry=self.registry,
        )
        self.visit_errors = Counter(
            "whisper_operator_reconcile_errors",
            "Visits that failed, by kind: api (a call to the API server), defect (of the operator's own).",
            ("kind",),
            registry=self.registry,
        )
        self.requests = Counter(
            "whisper_operator_api_requests",
            "Calls to the API server, watches left out, by method and status (0: no answer).",
            ("method", "code"),
            registry=self.registry,
        )
        self.pulls = Counter(
            "whisper_operator_pulls",
            "Pulls that have ended, by reason: Published, or why the attempt failed.",
            ("reason",),
            registry=self.registry,
        )
        self.pull_bytes = Counter(
            "whisper_operator_pull_bytes", "Size of the artifacts that pulls have published.", registry=self.registry
        )
        self.pull_seconds = Histogram(
            "whisper_operator_pull_seconds",
            "From the start of a pull that has published to its end.",
            buckets=_PULL_SECONDS,
            registry=self.registry,
        )
        self._condition = Gauge(
            "whisper_operator_model_condition",
            "1 while a condition of a WhisperModel is True, 0 otherwise.",
            ("namespace", "model", "condition"),
            registry=self.registry,
        )
        for kind in ("api", "defect"):
            self.visit_errors.labels(kind)

    def watch_queue(self, depth: Callable[[], float], oldest: Callable[[], float]) -> None:
        """Ask these, from any thread, whenever the metrics are read."""
        self._depth.set_function(depth)
        self._oldest.set_function(oldest)

    def count_request(self, method: str, code: int) -> None:
        """Count one call to the API server."""
        self.requests.labels(method, str(code)).inc()

    def show_model(self, model: ModelKey, status: Status) -> None:
        """Show the conditions of a model as they were written, or found, last."""
        for condition in status.conditions:
            self._condition.labels(*model, condition.type).set(condition.status == "True")

    def forget_model(self, model: ModelKey) -> None:
        """Show no more of a model that is gone."""
        self._condition.remove_by_labels({"namespace": model.namespace, "model": model.name})
