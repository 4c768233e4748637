"""Writing metadata that others may write too: finalizers of a WhisperModel, owners of a claim.

These are no applies: of what a person has applied with our part in it, an apply of ours would not remove that part.
"""

from whisper_operator.api.model import Model
from whisper_operator.kube import kinds
from whisper_operator.kube.client import KubeClient
from whisper_operator.reconcile.objects import JSON, each, name


def set_finalizers(client: KubeClient, model: Model, finalizers: list[str]) -> None:
    """Write the model's finalizers, unless it has changed since it was read.

    Raises:
        KubeError: as any call.
    """
    metadata = {"finalizers": finalizers, "resourceVersion": model.version, "uid": model.uid}
    client.merge_metadata(kinds.MODEL, model.namespace, model.name, metadata)


def set_claim_owner(client: KubeClient, model: Model, claim: JSON, *, owned: bool) -> JSON:
    """Have the claim that was made for the model go with it, or stay, and return it as it is then.

    Raises:
        KubeError: as any call.
    """
    owners = each(claim, "metadata", "ownerReferences")
    others = [owner for owner in owners if owner["uid"] != model.uid]
    wanted = [*others, model.owner_reference] if owned else others
    if len(wanted) == len(owners):
        return claim
    metadata = {"ownerReferences": wanted, "resourceVersion": claim["metadata"]["resourceVersion"]}
    return client.merge_metadata(kinds.CLAIM, model.namespace, name(claim), metadata)
