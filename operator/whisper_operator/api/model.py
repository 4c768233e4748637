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
from whisper_operator.api.spec import DeletionPolicy, Spec, SpecError, parse_spec, parse_spec_leniently
from whisper_operator.api.status import Status, parse_status


@dataclass(frozen=True, slots=True)
class Model:
    """A WhisperModel whose spec could be read.

    Attributes:
        created: RFC 3339 time; with the name it orders models by age.
        retry: the value of the retry annotation; empty when there is none.
        finalizers: what must be done before it is gone, ours and others'.
        version: of the object, to change it only as it was read.
    """

    key: ModelKey
    uid: str
    generation: int
    created: str
    retry: str
    spec: Spec
    status: Status
    finalizers: tuple[str, ...] = ()
    version: str = ""

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
        return self.spec.source.baked is None and self.spec.pin is None and not self.spec.paused

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

    @property
    def deletes(self) -> bool:
        """Whether its artifacts go with it."""
        return self.spec.cache.deletion_policy is DeletionPolicy.DELETE

    @property
    def has_finalizer(self) -> bool:
        """Whether Kubernetes waits for us before it is gone."""
        return names.FINALIZER in self.finalizers


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
    return _model(body, spec, status)


def parse_leniently(body: dict[str, Any]) -> Model:
    """Return what can be read of the WhisperModel that the JSON holds, without its source; nothing makes it fail."""
    return _model(body, parse_spec_leniently(body.get("spec")), parse_status(body.get("status", {})))


def _model(body: dict[str, Any], spec: Spec, status: Status) -> Model:
    metadata = body["metadata"]
    return Model(
        key=ModelKey(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        generation=metadata["generation"],
        created=metadata["creationTimestamp"],
        retry=(metadata.get("annotations") or {}).get(names.ANNOTATION_RETRY, ""),
        spec=spec,
        status=status,
        finalizers=tuple(metadata.get("finalizers") or ()),
        version=metadata.get("resourceVersion", ""),
    )
