"""What the engine tells of its work, as Prometheus reads it."""

from whisper_server.operations.metrics import Metrics


class EngineMetrics:
    """The engine's observer: called from any thread, quick, and never raising."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def queued(self, rows: int) -> None:
        """So many windows wait now."""
        self._metrics.queue_depth.set(rows)

    def waited(self, seconds: float) -> None:
        """A window's turn has come after so long."""
        self._metrics.queue_wait_seconds.observe(seconds)

    def ran(self, rows: int, seconds: float) -> None:
        """A batch of so many windows took so long."""
        self._metrics.batch_windows.observe(rows)
        self._metrics.inference_seconds.observe(seconds)

    def fell_back(self) -> None:
        """A window's text did not pass, and is tried again at the next temperature."""
        self._metrics.fallbacks.inc()
