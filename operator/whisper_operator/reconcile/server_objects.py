"""The Deployment of a model's servers and what goes with it: made, kept as wanted, and removed when not wanted."""

import logging
from functools import partial
from typing import NamedTuple

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.api.status import Artifact
from whisper_operator.builders.autoscaler import build_autoscaler
from whisper_operator.builders.deployment import build_deployment
from whisper_operator.builders.disruption import build_disruption_budget
from whisper_operator.builders.service import build_headless_service, build_service
from whisper_operator.kube import kinds
from whisper_operator.kube.errors import Refused
from whisper_operator.kube.kinds import Kind
from whisper_operator.reconcile.attempts import Attempts
from whisper_operator.reconcile.causes import cause_of, is_change, with_cause
from whisper_operator.reconcile.fleet import Fleet
from whisper_operator.reconcile.objects import JSON, dig
from whisper_operator.reconcile.observation import Observed
from whisper_operator.reconcile.ownership import OwnObjects
from whisper_operator.settings import Settings

_log = logging.getLogger(__name__)


class Kept(NamedTuple):
    """The Deployment as it is now, and whether its servers are to be replaced when it is the model's turn."""

    deployment: JSON
    waits: bool


class ServerObjects:
    """Keeps them among the objects that are models' `own`."""

    def __init__(self, own: OwnObjects, fleet: Fleet, settings: Settings) -> None:
        self._own = own
        self._fleet = fleet
        self._settings = settings

    def keep(self, seen: Observed, artifact: Artifact | None, attempts: Attempts) -> Kept | None:
        """Make them so, and return the Deployment as it is then; None when it is not, or cannot be, there."""
        model = seen.model
        wanted = build_deployment(model, self._settings, artifact)
        if wanted is None or artifact is None:
            return None
        wanted = with_cause(wanted, seen.deployment, model, self._settings, artifact)
        kept = attempts.make(partial(self._keep_deployment, seen, wanted), None)
        for service in (build_service(model), build_headless_service(model)):
            attempts.make(partial(self._own.apply, model, service), None)
        optional = {
            kinds.DISRUPTION_BUDGET: build_disruption_budget(model),
            kinds.AUTOSCALER: build_autoscaler(model),
        }
        for kind, one in optional.items():
            attempts.make(partial(self._keep_optional, model, kind, one), None)
        return kept

    def _keep_deployment(self, seen: Observed, wanted: JSON) -> Kept:
        before, model = seen.deployment, seen.model
        turn = self._fleet.take(model.key, wanted, before)
        try:
            deployment = self._own.apply(model, turn.deployment)
        except Refused:
            self._fleet.give_back(model.key)
            raise
        if before is not None and dig(before, "metadata", "generation") != dig(deployment, "metadata", "generation"):
            cause = f"{cause_of(deployment)} changed" if is_change(wanted, before) else "somebody else had changed them"
            _log.info("updated the servers: %s", cause, extra={"model": str(model.key)})
        return Kept(deployment, turn.waits)

    def _keep_optional(self, model: Model, kind: Kind, wanted: JSON | None) -> None:
        """Make an object that goes with the Deployment so, or see to it that there is none."""
        if wanted is not None:
            self._own.apply(model, wanted)
        else:
            self._own.remove(model, kind, names.deployment(model.name))
