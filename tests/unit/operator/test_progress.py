"""How often a running pull is asked for its progress: not at each visit, of which an event can bring any number."""

from datetime import timedelta

import kubernetes.client

from tests.unit.operator.things import NOW
from whisper_operator.api.names import ModelKey
from whisper_operator.kube.client import KubeClient
from whisper_operator.reconcile.progress import ProgressReader
from whisper_operator.reconcile.pulling import PROGRESS_INTERVAL

M, OTHER = ModelKey("speech", "m"), ModelKey("speech", "other")
PULL, CONVERT = ("pod", "pull"), ("pod", "convert")
#: Nobody listens there.
NOWHERE = "http://127.0.0.1:9"


def test_a_log_is_read_at_most_once_in_the_interval_for_each_model_and_step() -> None:
    calls: list[str] = []
    configuration = kubernetes.client.Configuration(host=NOWHERE)
    configuration.retries = False
    api = kubernetes.client.ApiClient(configuration)
    reader = ProgressReader(KubeClient(api, lambda method, _: calls.append(method)))

    def asked(model: ModelKey, step: tuple[str, str] | None, after: timedelta) -> bool:
        before = len(calls)
        reader.read(model, step, NOW + after)
        return len(calls) > before

    moment = timedelta(milliseconds=1)
    assert asked(M, PULL, timedelta(0))
    assert not asked(M, PULL, PROGRESS_INTERVAL - moment)
    assert asked(OTHER, PULL, PROGRESS_INTERVAL - moment)
    assert asked(M, PULL, PROGRESS_INTERVAL)
    assert asked(M, CONVERT, PROGRESS_INTERVAL + moment)
    assert not asked(M, None, 2 * PROGRESS_INTERVAL)
    assert asked(M, CONVERT, 2 * PROGRESS_INTERVAL)
