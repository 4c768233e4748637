"""What there is, read from the store that the watches fill, and the lists that keep that store right.

Watches do not tell of everything: what was deleted while one was broken is in no event, and what was there before it
began is told in no order. So everything is listed before the first visit, again when a watch has begun anew, and every
few minutes; and what there is of one model, when a visit to it has failed.
"""

from collections.abc import Sequence
from typing import Any

from whisper_operator.api import names
from whisper_operator.api.names import ModelKey
from whisper_operator.kube.client import KubeClient
from whisper_operator.kube.kinds import CHILDREN, MODEL, Kind
from whisper_operator.kube.store import Name, Store

JSON = dict[str, Any]


class Mirror:
    """Reads of `store` what is watched, and the rest through `client`."""

    def __init__(self, client: KubeClient, store: Store) -> None:
        self._client = client
        self._store = store

    def model(self, key: ModelKey) -> JSON | None:
        """Return the WhisperModel."""
        return self._store.get(MODEL, key.namespace, key.name)

    def children(self, kind: Kind, key: ModelKey) -> list[JSON]:
        """Return what was made for the model, by anybody who labels it so."""
        return self._store.group(kind, key.namespace, key.name)

    def child(self, kind: Kind, namespace: str, name: str) -> JSON | None:
        """Return an object that was made for a model. An object of somebody else's is not watched and not found."""
        return self._store.get(kind, namespace, name)

    def all(self, kind: Kind) -> list[JSON]:
        """Return everything of a kind, of every model."""
        return self._store.all(kind)

    def models_on(self, namespace: str, claim: str) -> list[JSON]:
        """Return the WhisperModels whose artifacts are on the claim."""
        return self._store.group(MODEL, namespace, claim)

    def find(self, kind: Kind, namespace: str, name: str) -> JSON | None:
        """Return an object that may be somebody else's: asked for when it is not known.

        Raises:
            KubeError: as any call.
        """
        return self._store.get(kind, namespace, name) or self._client.get(kind, namespace, name)

    def relist(self, namespaces: Sequence[str]) -> set[ModelKey]:
        """List everything in these namespaces, or in all when there are none; return whose store was not up to date.

        Raises:
            KubeError: as any call.
        """
        kinds = (*CHILDREN, MODEL)  # the models last: what is known of a model's children is not older than itself
        return set().union(*(self._list(kind, place) for kind in kinds for place in namespaces or ("",)))

    def relist_model(self, key: ModelKey) -> None:
        """List what there is of one model.

        Raises:
            KubeError: as any call.
        """
        for kind in CHILDREN:
            self._list(kind, key.namespace, key.name)
        known = self._store.get(MODEL, key.namespace, key.name)
        found = self._client.list(MODEL, key.namespace, fields=f"metadata.name={key.name}")
        for body in found:
            self._store.put(MODEL, body)
        if known is not None and not found:
            self._store.remove(MODEL, known)

    def relist_children(self, kind: Kind, key: ModelKey) -> None:
        """List one kind of what was made for a model.

        Raises:
            KubeError: as any call.
        """
        self._list(kind, key.namespace, key.name)

    def _list(self, kind: Kind, namespace: str, model: str = "") -> set[ModelKey]:
        labels = "" if kind is MODEL else names.MANAGED
        if model:
            labels = f"{labels},{names.of_model(model)}"
        found: set[Name] = set()
        changed: set[ModelKey] = set()
        version = ""
        for page in self._client.pages(kind, namespace, labels=labels):
            version = page.version
            for text in page.items:
                name, owner = self._store.put_listed(kind, text)
                found.add(name)
                changed |= {owner} if owner is not None else set()
        return changed | self._store.keep_only(kind, namespace, model, found, version)
