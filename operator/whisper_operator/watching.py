"""What kopf is told: to watch, and nothing else."""

from typing import Any

import kopf

from whisper_operator.api import names
from whisper_operator.kube import kinds

_EXIT_SECONDS = 20.0
#: Objects to a page of the list that a watch begins with.
_PAGE = 200
#: How long kopf holds on to an object after its last event, in seconds: at the start, to all that there are.
_HELD_SECONDS = 0.2


class _Nothing(kopf.DiffBaseStorage):
    """Keeps no copy of objects to compare them with.

    kopf would make one at each event, whatever its handlers are, and that took a third of the operator's time.
    """

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


def kopf_settings() -> kopf.OperatorSettings:
    """Return settings under which kopf writes nothing, and asks for no right but to what is ours."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # events about WhisperModels are written by the visit, after its status
    settings.scanning.disabled = True  # needs rights on definitions and namespaces; the resource is there by now
    settings.persistence.diffbase_storage = _Nothing()
    settings.networking.request_timeout = 30
    # An API server that restarts is back within seconds: never sleep much longer than that.
    settings.networking.error_backoffs = (0.5, 1, 2, 3) + (5,) * 20
    settings.process.ultimate_exiting_timeout = _EXIT_SECONDS
    settings.watching.chunk_size = _PAGE
    settings.queueing.idle_timeout = _HELD_SECONDS
    for kind in kinds.CHILDREN:
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = names.MANAGED
    return settings
