"""Whose an object is: what is not ours is never taken over, although applies are forced, nor deleted."""

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.kube.applied import Applier
from whisper_operator.kube.errors import Refused, Unsettled
from whisper_operator.reconcile import claims
from whisper_operator.reconcile.objects import JSON, each, name


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


def apply_owned(applier: Applier, model: Model, wanted: JSON, live: JSON | None) -> JSON:
    """Make `wanted` so unless what was read in its place is somebody else's, and return the object as it is then.

    Raises:
        KubeError: as `check_ownership`, or the call failed.
    """
    if live is not None:
        check_ownership(model, wanted["kind"], live)
    return applier.apply(model.key, wanted, live)
