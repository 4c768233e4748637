"""How far a running pull is, from the tail of its log: read at most every few seconds, whatever the visits."""

from datetime import datetime

from whisper_contract.progress import Progress
from whisper_operator.api.names import ModelKey
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.errors import KubeError
from whisper_operator.reconcile.pulling import PROGRESS_INTERVAL

# The progress line comes every second; what else the tools print in between is little.
_LINES = 20

_Step = tuple[str, str]


class ProgressReader:
    """Reads progress through `client` and remembers when it last did."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._last: dict[ModelKey, tuple[datetime, _Step, Progress | None]] = {}

    def read(self, model: ModelKey, step: _Step | None, now: datetime) -> Progress | None:
        """Return the last progress line of the pod's container that `step` names; None when there is none yet."""
        if step is None:
            self.forget(model)
            return None
        last = self._last.get(model)
        if last is not None and last[1] == step and now - last[0] < PROGRESS_INTERVAL:
            return last[2]
        progress = self._tail(model, step)
        self._last[model] = (now, step, progress)
        return progress

    def forget(self, model: ModelKey) -> None:
        """Drop what is remembered of a model that pulls no more."""
        self._last.pop(model, None)

    def _tail(self, model: ModelKey, step: _Step) -> Progress | None:
        try:
            text = self._client.log_tail(kinds.POD, model.namespace, *step, lines=_LINES)
        except KubeError:  # a container that has just started or ended, a node that does not answer: no news
            return None
        return last_progress(text)


def last_progress(log: str) -> Progress | None:
    """Return what the last progress line of a log says, whatever follows it."""
    lines = (Progress.parse_line(line) for line in reversed(log.splitlines()))
    return next(filter(None, lines), None)
