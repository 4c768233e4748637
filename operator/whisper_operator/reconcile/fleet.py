"""Whose turn it is when the operator itself makes servers change, as an upgrade does: a few models at a time.

A model keeps its turn until its rollout is complete. One that does not get there gives it up at the rollout's deadline,
unless it served before: then something is wrong with what the operator wants, and whoever has not had it serves on. So
a bad image stops after a few models. What people change in a spec, and the first servers of a model, wait for nobody.

Who has a turn stands in the Deployments, and so outlives the operator.
"""

from dataclasses import dataclass
from datetime import timedelta
from threading import Lock

from whisper_operator.api import names
from whisper_operator.api.names import ModelKey
from whisper_operator.kube.kinds import DEPLOYMENT
from whisper_operator.kube.mirror import Mirror
from whisper_operator.reconcile import causes
from whisper_operator.reconcile.objects import JSON, condition, dig

#: What the annotation says of a model that has its turn: whether it served before.
_SERVED, _SERVED_NOT = "served", "served not"
#: How often those that wait look whether it is their turn: together this often a second, each within these limits.
_LOOKS_A_SECOND = 20
_SHORTEST_SECONDS, _LONGEST_SECONDS = 3.0, 60.0


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be applied: the Deployment as it is wanted or, while it waits, as much of it as replaces no server."""

    deployment: JSON
    waits: bool


class Fleet:
    """Gives the turns, to no more than `limit` models at a time. For any thread."""

    def __init__(self, mirror: Mirror, limit: int) -> None:
        self._mirror = mirror
        self._limit = limit
        self._lock = Lock()
        #: Who has a turn, and the generation of the Deployment that it was given at.
        self._turns: dict[ModelKey, int] | None = None
        self._waiting: set[ModelKey] = set()

    def take(self, model: ModelKey, wanted: JSON, live: JSON | None) -> Turn:
        """Return what is to be applied now, given what is there."""
        if live is None or not dig(wanted, "spec", "replicas"):
            return self._free(model, wanted)
        if not causes.replaces_servers(wanted, live):
            return self._free(model, _annotated(wanted, _note(live)), gives_back=not _is_rolling(live))
        if not causes.is_operators_own(wanted, live):
            return self._free(model, wanted)
        if not self._has_turn(model, live):
            return Turn(causes.held_back(wanted, live), waits=True)
        served = _SERVED if dig(live, "status", "readyReplicas") else _SERVED_NOT
        return Turn(_annotated(wanted, served), waits=False)

    def give_back(self, model: ModelKey) -> None:
        """Let another have the turn of a model that does not need it, or is gone."""
        with self._lock:
            self._waiting.discard(model)
            if self._turns is not None:
                self._turns.pop(model, None)

    @property
    def look_again(self) -> timedelta:
        """When who waits is to look again: turns are given to who asks."""
        seconds = len(self._waiting) / _LOOKS_A_SECOND
        return timedelta(seconds=min(max(seconds, _SHORTEST_SECONDS), _LONGEST_SECONDS))

    def _free(self, model: ModelKey, deployment: JSON, *, gives_back: bool = True) -> Turn:
        if gives_back:
            self.give_back(model)
        return Turn(deployment, waits=False)

    def _has_turn(self, model: ModelKey, live: JSON) -> bool:
        with self._lock:
            if self._turns is None:
                rolling = filter(_is_rolling, self._mirror.all(DEPLOYMENT))
                self._turns = {_model_of(one): _generation(one) - 1 for one in rolling}
            if model not in self._turns and len(self._turns) >= self._limit:
                self._turns = {key: given_at for key, given_at in self._turns.items() if self._needs_it(key, given_at)}
            if model not in self._turns and len(self._turns) >= self._limit:
                self._waiting.add(model)
                return False
            self._turns[model] = _generation(live)
            self._waiting.discard(model)
            return True

    def _needs_it(self, model: ModelKey, given_at: int) -> bool:
        live = self._mirror.child(DEPLOYMENT, model.namespace, names.deployment(model.name))
        if live is None:
            return False
        return _generation(live) <= given_at or _is_rolling(live)  # not applied yet, or not complete


def _is_rolling(live: JSON) -> bool:
    """Tell whether the Deployment has its turn, and needs it still."""
    note = _note(live)
    if note is None:
        return False
    if dig(live, "status", "observedGeneration") != _generation(live):
        return True
    # A rollout that is complete stays so, whatever becomes of its pods later.
    # https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#complete-deployment
    progressing = condition(live, "Progressing")
    if progressing is not None:
        return progressing.get("reason") != "NewReplicaSetAvailable"
    return note == _SERVED or condition(live, "Progressing", "False") is None


def _generation(live: JSON) -> int:
    return int(live["metadata"]["generation"])


def _note(live: JSON) -> str | None:
    note: str | None = dig(live, "metadata", "annotations", names.ANNOTATION_TURN)
    return note


def _annotated(wanted: JSON, note: str | None) -> JSON:
    if note is None:
        return wanted
    metadata = wanted["metadata"]
    annotations = metadata.get("annotations", {}) | {names.ANNOTATION_TURN: note}
    return wanted | {"metadata": metadata | {"annotations": annotations}}


def _model_of(deployment: JSON) -> ModelKey:
    metadata = deployment["metadata"]
    return ModelKey(metadata["namespace"], metadata["labels"][names.LABEL_MODEL])
