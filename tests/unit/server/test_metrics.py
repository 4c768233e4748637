"""Metric names follow Prometheus' practice, and are those that the documentation tells of."""

from whisper_server.operations.engine_metrics import EngineMetrics
from whisper_server.operations.metrics import Metrics

OURS = {
    "whisper_server_requests": "counter",
    "whisper_server_request_seconds": "histogram",
    "whisper_server_audio_seconds": "counter",
    "whisper_server_real_time_factor": "histogram",
    "whisper_server_inference_seconds": "histogram",
    "whisper_server_batch_windows": "histogram",
    "whisper_server_fallbacks": "counter",
    "whisper_server_requests_in_progress": "gauge",
    "whisper_server_queue_depth": "gauge",
    "whisper_server_active_streams": "gauge",
    "whisper_server_queue_wait_seconds": "histogram",
    "whisper_server_reload_failures": "counter",
    "whisper_server_certificate_expiry_timestamp_seconds": "gauge",
    "whisper_server_model": "info",
}


def test_the_metrics_are_these() -> None:
    families = {family.name: family.type for family in Metrics().registry.collect()}
    assert {name: kind for name, kind in families.items() if name.startswith("whisper_server_")} == OURS


def test_two_servers_in_one_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.audio_seconds.inc(5)
    assert other.registry.get_sample_value("whisper_server_audio_seconds_total") == 0


def test_the_engine_tells_what_it_does() -> None:
    metrics = Metrics()
    observer = EngineMetrics(metrics)
    observer.queued(3)
    observer.waited(0.5)
    observer.ran(4, 2.5)
    observer.ran(1, 0.5)
    observer.fell_back()
    told = {
        "whisper_server_queue_depth": 3,
        "whisper_server_queue_wait_seconds_sum": 0.5,
        "whisper_server_batch_windows_sum": 5,
        "whisper_server_batch_windows_count": 2,
        "whisper_server_inference_seconds_sum": 3,
        "whisper_server_fallbacks_total": 1,
    }
    assert {name: metrics.registry.get_sample_value(name) for name in told} == told
