"""Who may come in, and when the others should try again."""

import time
from contextlib import ExitStack

import pytest

from whisper_server.admission import Admission
from whisper_server.errors import OverloadedError
from whisper_server.operations.metrics import Metrics


def test_one_more_than_allowed_is_refused_until_one_leaves() -> None:
    metrics = Metrics()
    admission = Admission(2, metrics)
    with ExitStack() as inside, admission.admit():
        inside.enter_context(admission.admit())
        with pytest.raises(OverloadedError, match="busy with 2 requests") as refused, admission.admit():
            pass
        assert refused.value.retry_after_seconds == 2.0
        assert metrics.registry.get_sample_value("whisper_server_requests_in_progress") == 2
        inside.close()
        with admission.admit():
            pass
    assert metrics.registry.get_sample_value("whisper_server_requests_in_progress") == 0


def test_streams_have_places_of_their_own() -> None:
    admission = Admission(1, Metrics(), max_streams=1)
    with admission.admit_stream(), admission.admit():
        with pytest.raises(OverloadedError, match="1 live streams"), admission.admit_stream():
            pass
        with pytest.raises(OverloadedError), admission.admit():
            pass


@pytest.mark.parametrize(("took", "at_most", "at_least"), [(0.0, 0.5, 0.5), (3_600.0, 30.0, 30.0), (8.0, 8.0, 7.0)])
def test_the_hint_follows_how_long_requests_take(
    monkeypatch: pytest.MonkeyPatch, took: float, at_most: float, at_least: float
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    admission = Admission(1, Metrics())
    for _ in range(40):
        with admission.admit():
            now += took
    assert at_least <= admission.retry_after_seconds <= at_most
