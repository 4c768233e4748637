"""Metric names follow Prometheus' practice, and are those that the documentation tells of."""

from whisper_server.metrics import Metrics

OURS = {
    "whisper_server_requests": "counter",
    "whisper_server_request_seconds": "histogram",
    "whisper_server_audio_seconds": "counter",
    "whisper_server_inference_seconds": "counter",
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
