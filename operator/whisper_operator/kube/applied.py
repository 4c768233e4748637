"""Applies objects, and stays silent when nothing would change.

An apply that changes nothing costs the API server a request and nothing else, but a quiet cluster should see none. What
was applied last, and what the object then looked like, is remembered: as long as neither has moved, there is nothing to
say. After a restart each object is applied once more. (Comparing the wanted with the live fields instead would stumble
over every default and every quantity that the API server writes in a form of its own, and would not see a field that we
no longer want.)
"""

import hashlib
from typing import Any

import msgspec

from whisper_operator.api.names import ModelKey
from whisper_operator.kube.client import KubeClient

JSON = dict[str, Any]

#: The kind and name of an object of a model.
_Name = tuple[str, str]
_Settled = tuple[bytes, bytes]
#: Of these, others write keys of their own, as the Deployment's controller does with its revision.
_NOTED = ("labels", "annotations")


class Applier:
    """Applies through `client`. One serves all threads: no two of them ever work on one model."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._settled: dict[ModelKey, dict[_Name, _Settled]] = {}

    def apply(self, model: ModelKey, wanted: JSON, live: JSON | None) -> JSON:
        """Make `wanted` so, given what was read, and return the object as it is then."""
        settled, name = self._settled.setdefault(model, {}), (wanted["kind"], wanted["metadata"]["name"])
        if live is not None and settled.get(name) == (_hash(wanted), _state(live, wanted)):
            return live
        after = self._client.apply(wanted)
        settled[name] = (_hash(wanted), _state(after, wanted))
        return after

    def forget(self, model: ModelKey) -> None:
        """Drop what is remembered of a model that is gone."""
        self._settled.pop(model, None)


def _state(live: JSON, wanted: JSON) -> bytes:
    """Return a fingerprint of what was wanted, as people and controllers have left it, and of who owns the object."""
    metadata, asked = live["metadata"], wanted["metadata"]
    noted = [{key: (metadata.get(part) or {}).get(key) for key in asked.get(part) or ()} for part in _NOTED]
    return _hash([live.get("spec"), noted, metadata.get("uid"), metadata.get("ownerReferences")])


def _hash(value: Any) -> bytes:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).digest()
