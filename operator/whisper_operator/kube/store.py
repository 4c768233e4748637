"""The objects that are watched, as the API server told of them last. For any thread; makes no calls.

What is older never replaces what is newer, in whatever order watches, lists and the answers to our own calls come in.
Versions are compared as the numbers that they are. Kubernetes 1.35 allows that to every client; its own did so before.
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions

Objects are kept as JSON text: that takes a fraction of the memory, and what one reader does to an object no other sees.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any, NamedTuple

import msgspec

from whisper_operator.api import names
from whisper_operator.api.names import ModelKey
from whisper_operator.kube.kinds import CHILDREN, MODEL, Kind

JSON = dict[str, Any]

#: Deletions that are remembered, so that what was read before one does not bring the object back.
_REMEMBERED_DELETIONS = 10_000


class Name(NamedTuple):
    """What names an object of a kind."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """An object.

    Attributes:
        version: None when it is not a number; then what is told last counts.
        group: what it is found by beside its name: the model of a child, the claim of a model.
        owner: the model that is to be visited when it changes.
    """

    version: int | None
    group: str
    owner: ModelKey
    text: bytes


class _Metadata(msgspec.Struct):
    name: str
    namespace: str
    version: str = msgspec.field(name="resourceVersion", default="")


class _Head(msgspec.Struct):
    """What tells whether an object is news, read without the rest of it."""

    metadata: _Metadata


class Store:
    """WhisperModels, and the objects that were made for them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: dict[Kind, dict[Name, _Entry]] = {kind: {} for kind in (MODEL, *CHILDREN)}
        self._groups: defaultdict[tuple[Kind, str, str], set[str]] = defaultdict(set)
        self._gone: OrderedDict[tuple[Kind, Name], int] = OrderedDict()

    def put_listed(self, kind: Kind, text: msgspec.Raw) -> tuple[Name, ModelKey | None]:
        """Take note of an object of a list, as `put`; return its name too. What is known is not read any further."""
        head = msgspec.json.decode(text, type=_Head).metadata
        name = Name(head.namespace, head.name)
        if not self._is_news(kind, name, _number(head.version)):
            return name, None
        return name, self.put(kind, msgspec.json.decode(text))

    def put(self, kind: Kind, body: JSON) -> ModelKey | None:
        """Take note of an object, if it is one that is watched; return whose it is when that is news."""
        owner = owner_of(kind, body)
        if owner is None or not _is_watched(kind, body):
            return None
        name, version = _name(body), _version(body["metadata"])
        if not self._is_news(kind, name, version):  # as of all that the answers to our own calls have told before
            return None
        entry = _entry(kind, body, owner)
        with self._lock:
            if not self._is_news(kind, name, version):
                return None
            self._drop(kind, name)
            self._entries[kind][name] = entry
            self._groups[kind, name.namespace, entry.group].add(name.name)
        return entry.owner

    def _is_news(self, kind: Kind, name: Name, version: int | None) -> bool:
        known, gone = self._entries[kind].get(name), self._gone.get((kind, name))
        if known is not None and _is_older(version, known.version, or_same=True):
            return False
        return not _is_older(version, gone, or_same=True)

    def remove(self, kind: Kind, body: JSON) -> None:
        """Take note that an object is gone, or has lost the label that it was watched by; `body` is its last state."""
        if kind in self._entries:
            with self._lock:
                self._forget(kind, _name(body), _version(body["metadata"]))

    def keep_only(self, kind: Kind, namespace: str, group: str, found: Iterable[Name], version: str) -> set[ModelKey]:
        """Take note that a list, at this version, held no more than what it `found`; return whose the others were.

        An empty namespace or group stands for all. What is newer than the list is not its business.
        """
        listed, at = set(found), _number(version)
        with self._lock:
            lost = {
                name: entry.owner
                for name, entry in self._entries[kind].items()
                if namespace in ("", name.namespace)
                and group in ("", entry.group)
                and name not in listed
                and not _is_older(at, entry.version)
            }
            for name in lost:
                self._forget(kind, name, at)
        return set(lost.values())

    def get(self, kind: Kind, namespace: str, name: str) -> JSON | None:
        """Return the object, or None when none is known."""
        with self._lock:
            entry = self._entries[kind].get(Name(namespace, name)) if kind in self._entries else None
        return None if entry is None else _read(entry)

    def group(self, kind: Kind, namespace: str, group: str) -> list[JSON]:
        """Return the children of a model, or the models whose artifacts are on a claim, in the order of their names."""
        with self._lock:
            members = sorted(self._groups.get((kind, namespace, group), ()))
            entries = [self._entries[kind][Name(namespace, member)] for member in members]
        return [_read(entry) for entry in entries]

    def all(self, kind: Kind) -> list[JSON]:
        """Return everything of a kind."""
        with self._lock:
            entries = list(self._entries[kind].values())
        return [_read(entry) for entry in entries]

    def _forget(self, kind: Kind, name: Name, version: int | None) -> None:
        before = self._entries[kind].get(name)
        if before is not None and _is_older(version, before.version):
            return
        self._drop(kind, name)
        if version is not None:
            self._gone[kind, name] = version
            self._gone.move_to_end((kind, name))
        while len(self._gone) > _REMEMBERED_DELETIONS:
            self._gone.popitem(last=False)

    def _drop(self, kind: Kind, name: Name) -> None:
        before = self._entries[kind].pop(name, None)
        if before is None:
            return
        key = (kind, name.namespace, before.group)
        self._groups[key].discard(name.name)
        if not self._groups[key]:
            del self._groups[key]


def owner_of(kind: Kind, body: JSON) -> ModelKey | None:
    """Return the WhisperModel that an object is, or was made for."""
    metadata = body["metadata"]
    model = metadata["name"] if kind is MODEL else (metadata.get("labels") or {}).get(names.LABEL_MODEL)
    return None if model is None else ModelKey(metadata["namespace"], model)


def _is_watched(kind: Kind, body: JSON) -> bool:
    if kind not in CHILDREN:
        return kind is MODEL
    return (body["metadata"].get("labels") or {}).get(names.LABEL_MANAGED_BY) == names.MANAGER


def _entry(kind: Kind, body: JSON, owner: ModelKey) -> _Entry:
    metadata = body["metadata"]
    kept = body | {"metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
    group = _claim(body) if kind is MODEL else owner.name
    return _Entry(_version(metadata), group, owner, msgspec.json.encode(kept))


def _claim(model: JSON) -> str:
    """Return the claim that a WhisperModel's artifacts are on, as `Model.claim` does, without reading all its spec."""
    cache = (model.get("spec") or {}).get("cache") or {}
    return str(cache.get("claimName") or names.cache_claim(model["metadata"]["name"]))


def _name(body: JSON) -> Name:
    return Name(body["metadata"]["namespace"], body["metadata"]["name"])


def _version(metadata: JSON) -> int | None:
    return _number(metadata.get("resourceVersion", ""))


def _number(version: str) -> int | None:
    return int(version) if version.isdecimal() else None


def _is_older(version: int | None, other: int | None, *, or_same: bool = False) -> bool:
    if version is None or other is None:
        return False
    return version < other or (or_same and version == other)


def _read(entry: _Entry) -> JSON:
    body: JSON = msgspec.json.decode(entry.text)
    return body
