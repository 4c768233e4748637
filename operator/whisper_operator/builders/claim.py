"""The claim that a model's artifacts live on."""

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.builders.metadata import JSON, new_object, present


def build_claim(model: Model, *, owned: bool | None = None) -> JSON | None:
    """Return the claim that is made for `model`; None when the spec names one, which is never made or changed.

    One that is `owned` goes with the model; when that is not said, the deletion policy says it. A model inside the
    servers' image needs none.
    """
    cache = model.spec.cache
    if cache.claim_name is not None or model.spec.source.baked is not None:
        return None
    claim = new_object(model, "v1", "PersistentVolumeClaim", model.claim, names.COMPONENT_CACHE)
    if not (model.deletes if owned is None else owned):
        del claim["metadata"]["ownerReferences"]
    claim["spec"] = present(
        accessModes=list(cache.access_modes),
        storageClassName=cache.storage_class_name,
        resources={"requests": {"storage": cache.size}},
    )
    return claim
