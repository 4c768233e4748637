"""Carrying out what was decided about a WhisperModel that is being deleted."""

import logging
from contextlib import suppress
from datetime import datetime

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.builders.gc_job import build_gc_job
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.errors import KubeError, NamespaceTerminating, NotFound
from whisper_operator.reconcile.claim_work import ClaimWork
from whisper_operator.reconcile.deletion.leaving import Ending, Leaving
from whisper_operator.reconcile.metadata import set_claim_owner, set_finalizers
from whisper_operator.reconcile.objects import JSON, name
from whisper_operator.settings import Settings

_log = logging.getLogger(__name__)


class Farewell:
    """Carries out endings through `client`."""

    def __init__(self, client: KubeClient, settings: Settings, work: ClaimWork) -> None:
        self._client = client
        self._settings = settings
        self._work = work

    def is_pointless(self, seen: Leaving) -> bool:
        """Tell whether nothing can be made any more, since the namespace is being deleted too."""
        try:
            self._client.create(self._job(seen), dry_run=True)
        except (NamespaceTerminating, NotFound):
            return True
        except KubeError:  # whatever else speaks against it is told where it is made in earnest
            return False
        return False

    def carry_out(self, seen: Leaving, ending: Ending, now: datetime) -> None:
        """Do all but let the model go.

        Raises:
            KubeError: a call failed.
        """
        model = seen.model
        if ending.stop_servers and seen.deployment is not None:
            self._delete(kinds.DEPLOYMENT, model, seen.deployment)
        if not ending.release:
            self._delete_jobs(model, ending)
        if ending.owns_claim is not None and seen.claim is not None and model.spec.cache.claim_name is None:
            with suppress(NotFound):
                set_claim_owner(self._client, model, seen.claim, owned=ending.owns_claim)
        if ending.removal is not None:
            everything = (names.COMPONENT_PULL, names.COMPONENT_GC)
            if self._work.start(self._job(seen), model.claim, now, unless=everything):
                _log.info("started to remove artifacts", extra={"model": str(model.key), "claim": model.claim})

    def release(self, model: Model, ending: Ending) -> None:
        """Let the model go: Kubernetes removes it then, and what it owns.

        Its Jobs go after it. Without the one that has removed its artifacts, an operator that was killed in between
        would not know that this is done, and start another; one that is left ends, and goes, by its own limits.

        Raises:
            KubeError: a call failed.
        """
        rest = [finalizer for finalizer in model.finalizers if finalizer != names.FINALIZER]
        with suppress(NotFound):
            set_finalizers(self._client, model, rest)
        _log.info("let the model go", extra={"model": str(model.key)})
        self._delete_jobs(model, ending)

    def _delete_jobs(self, model: Model, ending: Ending) -> None:
        for job in ending.delete:
            self._delete(kinds.JOB, model, job)

    def _job(self, seen: Leaving) -> JSON:
        return build_gc_job(seen.model, self._settings, seen.removal, seen.placement, seen.beside)

    def _delete(self, kind: kinds.Kind, model: Model, body: JSON) -> None:
        self._client.delete(kind, model.namespace, name(body), body["metadata"]["uid"])
