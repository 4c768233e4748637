"""Whose an object is: what is not ours is never taken over, although applies are forced, nor deleted."""

import logging
from collections.abc import Callable
from typing import TypeVar

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.api.names import ModelKey
from whisper_operator.kube.applied import Applier
from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.errors import Refused, Unsettled
from whisper_operator.kube.kinds import JOB, Kind, kind_of
from whisper_operator.kube.mirror import Mirror
from whisper_operator.reconcile import claims
from whisper_operator.reconcile.objects import JSON, each, name

_log = logging.getLogger(__name__)

T = TypeVar("T")

_CONFLICT = 409


def is_owned(model: Model, live: JSON) -> bool:
    """Tell whether the object is the model's."""
    return any(owner["uid"] == model.uid for owner in each(live, "metadata", "ownerReferences"))


def check_ownership(model: Model, kind: str, live: JSON) -> None:
    """Refuse to take over an object that is not ours.

    Raises:
        Refused: somebody else's object has the name that ours needs. A claim that we made and let go of is ours again.
        Unsettled: it belongs to an earlier WhisperModel of that name, and will be collected.
    """
    owners = each(live, "metadata", "ownerReferences")
    let_go = kind == "PersistentVolumeClaim" and not owners and claims.made_for(live) == model.name
    if let_go or is_owned(model, live):
        return
    if any(owner["kind"] == names.KIND and owner["name"] == model.name for owner in owners):
        raise Unsettled(0, f"the {kind} {name(live)} of an earlier WhisperModel is still being deleted")
    theirs = f"The {kind} {name(live)} exists and is not this WhisperModel's"
    raise Refused(0, f"{theirs}: remove it, or give the model another name")


class OwnObjects:
    """Keeps what is made for models, through `client`."""

    def __init__(self, client: KubeClient, mirror: Mirror) -> None:
        self._client = client
        self._mirror = mirror
        self._applier = Applier(client)

    def apply(self, model: Model, wanted: JSON) -> JSON:
        """Make `wanted` so unless what is there in its place is somebody else's, and return the object as it is then.

        Raises:
            KubeError: as `check_ownership`, or a call failed.
        """
        live = self._mirror.find(kind_of(wanted), model.namespace, name(wanted))
        if live is not None:
            check_ownership(model, wanted["kind"], live)
        return self._applier.apply(model.key, wanted, live)

    def create(self, model: Model, job: JSON, make: Callable[[], T]) -> T:
        """Return what `make` returns, which creates the Job; tell when somebody else's has its name.

        Raises:
            KubeError: as `check_ownership`, or a call failed.
        """
        try:
            return make()
        except Unsettled as error:
            if error.status == _CONFLICT:
                named = f"metadata.name={name(job)}"
                for live in self._client.list(JOB, model.namespace, fields=named):
                    check_ownership(model, "Job", live)
            raise

    def remove(self, model: Model, kind: Kind, called: str) -> None:
        """See to it that the model has no object of this kind and name.

        Raises:
            KubeError: the call failed.
        """
        live = self._mirror.child(kind, model.namespace, called)
        if live is not None and is_owned(model, live):
            self._client.delete(kind, model.namespace, called, live["metadata"]["uid"])
            text = "deleted %s of %s, which is no longer wanted"
            _log.info(text, called, kind.plural, extra={"model": str(model.key)})

    def forget(self, model: ModelKey) -> None:
        """Drop what is remembered of a model that is gone."""
        self._applier.forget(model)
