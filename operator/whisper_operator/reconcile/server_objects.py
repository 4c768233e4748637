"""The Deployment of a model's servers and what goes with it: made, kept as wanted, and removed when not wanted."""

import logging
from functools import partial

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.api.status import Artifact
from whisper_operator.builders.autoscaler import build_autoscaler
from whisper_operator.builders.deployment import build_deployment
from whisper_operator.builders.disruption import build_disruption_budget
from whisper_operator.builders.service import build_headless_service, build_service
from whisper_operator.kube import kinds
from whisper_operator.kube.applied import Applier
from whisper_operator.kube.client import KubeClient
from whisper_operator.reconcile.attempts import Attempts
from whisper_operator.reconcile.causes import cause_of, is_change, with_cause
from whisper_operator.reconcile.objects import JSON, dig, name
from whisper_operator.reconcile.observation import Observed
from whisper_operator.reconcile.ownership import apply_owned, is_owned
from whisper_operator.settings import Settings

_log = logging.getLogger(__name__)


class ServerObjects:
    """Keeps them through `client`; one `applier` serves all that a model has."""

    def __init__(self, client: KubeClient, settings: Settings, applier: Applier) -> None:
        self._client = client
        self._settings = settings
        self._applier = applier

    def keep(self, seen: Observed, artifact: Artifact | None, attempts: Attempts) -> JSON | None:
        """Make them so, and return the Deployment as it is then; None when it is not, or cannot be, as wanted."""
        model = seen.model
        wanted = build_deployment(model, self._settings, artifact)
        if wanted is None or artifact is None:
            return None
        wanted = with_cause(wanted, seen.deployment, model, self._settings, artifact)
        deployment = attempts.make(partial(self._keep_deployment, seen, wanted), None)
        for service in (build_service(model), build_headless_service(model)):
            attempts.make(partial(self._keep_service, seen, service), None)
        optional = {
            "PodDisruptionBudget": build_disruption_budget(model),
            "HorizontalPodAutoscaler": build_autoscaler(model),
        }
        for kind, one in optional.items():
            attempts.make(partial(self._keep_optional, model, kind, one), None)
        return deployment

    def _keep_deployment(self, seen: Observed, wanted: JSON) -> JSON:
        before, model = seen.deployment, seen.model
        deployment = apply_owned(self._applier, model, wanted, before)
        if before is not None and dig(before, "metadata", "generation") != dig(deployment, "metadata", "generation"):
            cause = f"{cause_of(deployment)} changed" if is_change(wanted, before) else "somebody else had changed them"
            _log.info("updated the servers: %s", cause, extra={"model": str(model.key)})
        return deployment

    def _keep_service(self, seen: Observed, wanted: JSON) -> JSON:
        live = next((service for service in seen.services if name(service) == name(wanted)), None)
        return apply_owned(self._applier, seen.model, wanted, live or self._read(seen.model, wanted))

    def _keep_optional(self, model: Model, kind: str, wanted: JSON | None) -> None:
        """Make an object that goes with the Deployment so, or see to it that there is none."""
        called = names.deployment(model.name)
        if wanted is not None:
            apply_owned(self._applier, model, wanted, self._read(model, wanted))
        elif not self._applier.is_gone(model.key, kind, called):
            live = self._client.get(kinds.BY_NAME[kind], model.namespace, called)
            if live is not None and is_owned(model, live):
                self._client.delete(kinds.BY_NAME[kind], model.namespace, called, live["metadata"]["uid"])
                _log.info("deleted the %s, which is no longer wanted", kind, extra={"model": str(model.key)})
            self._applier.gone(model.key, kind, called)

    def _read(self, model: Model, wanted: JSON) -> JSON | None:
        """Return what there is in place of `wanted`, whoever's it is."""
        return self._client.get(kinds.kind_of(wanted), model.namespace, name(wanted))
