"""The claim that a model's artifacts live on."""

from whisper_operator.api import names
from whisper_operator.api.model import Model
from whisper_operator.builders.metadata import JSON, new_object, present


def build_claim(model: Model) -> JSON | None:
    """Return the claim that is made for `model`; None when the spec names one, which is never made or changed."""
    cache = model.spec.cache
    if cache.claim_name is not None:
        return None
    claim = new_object(model, "v1", "PersistentVolumeClaim", model.claim, names.COMPONENT_CACHE)
    claim["spec"] = present(
        accessModes=list(cache.access_modes),
        storageClassName=cache.storage_class_name,
        resources={"requests": {"storage": cache.size}},
    )
    return claim
