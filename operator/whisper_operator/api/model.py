"""One WhisperModel as it was read: who it is, what it asks for, what its status said."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from whisper_operator.api import names
from whisper_operator.api.inputs import HASH_LENGTH, inputs_hash
from whisper_operator.api.names import ModelKey
from whisper_operator.api.spec import Spec, SpecError, parse_spec
from whisper_operator.api.status import Status, parse_status


@dataclass(frozen=True, slots=True)
class Model:
    """A WhisperModel whose spec could be read.

    Attributes:
        created: RFC 3339 time; with the name it orders models by age.
        retry: the value of the retry annotation; empty when there is none.
    """

    key: ModelKey
    uid: str
    generation: int
    created: str
    retry: str
    spec: Spec
    status: Status

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def namespace(self) -> str:
        return self.key.namespace

    @property
    def inputs(self) -> str:
        """The hash of the inputs that the spec asks for."""
        return inputs_hash(self.spec)

    @property
    def pulls(self) -> bool:
        """Whether the source is pulled at all."""
        return self.spec.pin is None and not self.spec.paused

    @property
    def intent(self) -> str:
        """A hash of what may make servers ready that were not: the spec and the retry annotation.

        The number of servers is left out, which autoscalers change all the time, and so is a pause.
        """
        spec = replace(self.spec, paused=False, server=replace(self.spec.server, replicas=1))
        text = json.dumps([msgspec.to_builtins(spec), self.retry], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]

    @property
    def claim(self) -> str:
        """The name of the claim that holds the artifacts, named or made."""
        return self.spec.cache.claim_name or names.cache_claim(self.name)

    @property
    def owner_reference(self) -> dict[str, Any]:
        """What makes an object ours, and the garbage collector's when we are gone."""
        return {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


@dataclass(frozen=True, slots=True)
class InvalidModel:
    """A WhisperModel whose spec cannot be read, and why."""

    key: ModelKey
    uid: str
    generation: int
    status: Status
    error: str


def is_deleted(body: dict[str, Any]) -> bool:
    """Tell whether the object is on its way out: then its children are the garbage collector's."""
    return "deletionTimestamp" in body["metadata"]


def parse_model(body: dict[str, Any]) -> Model | InvalidModel:
    """Return the WhisperModel that the JSON holds."""
    metadata = body["metadata"]
    key = ModelKey(metadata["namespace"], metadata["name"])
    status = parse_status(body.get("status", {}))
    try:
        spec = parse_spec(body.get("spec"))
        inputs_hash(spec)  # says what of a URL or a reference cannot be
    except SpecError as error:
        return InvalidModel(key, metadata["uid"], metadata["generation"], status, str(error))
    return Model(
        key=key,
        uid=metadata["uid"],
        generation=metadata["generation"],
        created=metadata["creationTimestamp"],
        retry=(metadata.get("annotations") or {}).get(names.ANNOTATION_RETRY, ""),
        spec=spec,
        status=status,
    )
