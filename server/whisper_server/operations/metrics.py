"""What Prometheus reads; names after https://prometheus.io/docs/practices/naming/."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST

#: From a warm short clip on a GPU to an hour on a CPU.
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800)
#: Below 1 is faster than speech.
_FACTORS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 2, 5)


class Metrics:
    """The server's metrics, in a registry of their own."""

    def __init__(self) -> None:
        # The moment of creation of each series is of use to nobody and doubles their number.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # its annotations are incomplete
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "whisper_server_requests",
            "Calls answered, by method and status code.",
            ("method", "code"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "whisper_server_request_seconds",
            "From a call's arrival to its answer.",
            ("method",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.audio_seconds = Counter(
            "whisper_server_audio_seconds", "Length of the audio transcribed.", registry=self.registry
        )
        self.real_time_factor = Histogram(
            "whisper_server_real_time_factor",
            "Time from a recording's admission to its last text, divided by the recording's length.",
            buckets=_FACTORS,
            registry=self.registry,
        )
        self.inference_seconds = Histogram(
            "whisper_server_inference_seconds",
            "Time that the model worked on one batch.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batch_windows = Histogram(
            "whisper_server_batch_windows",
            "Windows in one batch.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.fallbacks = Counter(
            "whisper_server_fallbacks",
            "Windows whose text did not pass the thresholds, and that were tried again at a higher temperature.",
            registry=self.registry,
        )
        self.requests_in_progress = Gauge(
            "whisper_server_requests_in_progress", "Requests that wait or are worked on.", registry=self.registry
        )
        self.queue_depth = Gauge(
            "whisper_server_queue_depth", "Windows that wait for the model.", registry=self.registry
        )
        self.active_streams = Gauge(
            "whisper_server_active_streams", "Live streams that are listened to.", registry=self.registry
        )
        self.queue_wait_seconds = Histogram(
            "whisper_server_queue_wait_seconds",
            "Time that a window waited for the model.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.reload_failures = Counter(
            "whisper_server_reload_failures",
            "Times that changed tokens or certificates could not be used, and the ones before were kept.",
            ("what",),
            registry=self.registry,
        )
        # By file, so that there is no sample, which alerts would take for a date in 1970, where there is no TLS.
        self.certificate_expiry = Gauge(
            "whisper_server_certificate_expiry_timestamp_seconds",
            "When the certificate in use expires, in seconds since 1970.",
            ("file",),
            registry=self.registry,
        )
        self.model = Info("whisper_server_model", "The model that is served.", registry=self.registry)

    def expose(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)
