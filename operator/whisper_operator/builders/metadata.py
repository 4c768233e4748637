"""What every object that is made for a model starts with."""

from typing import Any

from whisper_operator.api import names
from whisper_operator.api.model import Model

JSON = dict[str, Any]


def new_object(model: Model, api_version: str, kind: str, name: str, component: str) -> JSON:
    """Return an object of `kind` with the labels of `model`, and owned by it."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": model.namespace,
            "labels": names.labels(model.name, component),
            "ownerReferences": [model.owner_reference],
        },
    }


def present(**fields: Any) -> JSON:
    """Return the fields that hold something: an absent field, and an empty list or map, is not written at all."""
    return {key: value for key, value in fields.items() if value is not None and value not in ("", {}, [], ())}
