"""Removes what nobody needs any more: artifacts, what dead pulls have left, records that lead nowhere.

Everything is first renamed to `staging/removed-…` and deleted there, so that a kill at any moment leaves no half
artifact that passes for a whole one; a later run goes on. Any number may run at once, and beside pulls: what a pull has
just published or found to be there already is young, and spared.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

from whisper_contract.digest import is_hex_digest
from whisper_contract.store import ARTIFACTS, MANIFEST, SOURCES, STAGING
from whisper_loader.store import records
from whisper_loader.store.artifacts import find_artifact
from whisper_loader.store.durable import make_folder, rename
from whisper_loader.store.staging import is_by_hand
from whisper_loader.store.trees import file_system_time, measure, remove, touch

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}")


class Kind(StrEnum):
    """What is removed."""

    ARTIFACT = "artifact"
    STAGING = "staging"
    RECORD = "record"
    TEMPORARY = "temporary"


class Outcome(StrEnum):
    """What becomes of something that nobody needs."""

    REMOVED = "removed"
    #: It is younger than the grace.
    SPARED = "spared"
    #: It is out of the way, and a part is still open or mounted upon: a later run removes the rest.
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is needed.

    Attributes:
        keep: hex digests of the artifacts in use.
        running_jobs: uids of the Jobs whose staging folders are in use.
        grace_seconds: what was written to more recently than this is spared.
        dry_run: remove nothing, and tell what would be.
        unneeded: hex digests of artifacts that are known to be unneeded: they go whatever their age.
        jobs_ended: whether no Job pulls into the store: staging folders of Jobs then go whatever their age.
    """

    keep: frozenset[str]
    running_jobs: frozenset[str]
    grace_seconds: float
    dry_run: bool
    unneeded: frozenset[str] = frozenset()
    jobs_ended: bool = False

    def grace(self, kind: Kind, name: str) -> float:
        """Return how old what has this name must be to go, in seconds."""
        known = (kind is Kind.ARTIFACT and name in self.unneeded) or (
            kind is Kind.STAGING and self.jobs_ended and not is_by_hand(name)
        )
        return 0.0 if known else self.grace_seconds


@dataclass(frozen=True, slots=True)
class Item:
    """Something that nobody needs.

    Attributes:
        kind: what it is.
        path: where it is, or was.
        size_bytes: of its files in all.
        age_seconds: since it was last written to, or an artifact last asked for.
        outcome: what became of it.
    """

    kind: Kind
    path: Path
    size_bytes: int
    age_seconds: float
    outcome: Outcome


def freed_bytes(items: Iterable[Item]) -> int:
    """Return how many bytes went, or would go in a dry run."""
    return sum(item.size_bytes for item in items if item.outcome is Outcome.REMOVED)


@dataclass(slots=True)
class Collector:
    """One run over one store."""

    store: Path
    policy: Policy
    _now: float = field(init=False)

    def collect(self) -> Iterator[Item]:
        """Remove what nobody needs, and yield it as it goes; records come last, when it is known where they lead.

        Raises:
            LoaderError: ClaimNotWritable when the volume can't rename.
            OSError: any other, of the volume.
        """
        self._now = file_system_time(self.store)
        if not self.policy.dry_run:
            make_folder(self.store / STAGING)
        gone = set()
        for item in self._each(Kind.ARTIFACT, _unneeded_artifacts(self.store, self.policy.keep)):
            if item.outcome is not Outcome.SPARED:
                gone.add(item.path.name)
            yield item
        yield from self._each(Kind.STAGING, _unneeded_staging(self.store, self.policy.running_jobs))
        yield from self._each(Kind.TEMPORARY, _temporary_files(self.store))
        yield from self._each(Kind.RECORD, _dead_records(self.store, gone if self.policy.dry_run else set()))

    def _each(self, kind: Kind, paths: Iterable[Path]) -> Iterator[Item]:
        for path in paths:
            tree = measure(path)
            if tree is None:
                continue  # somebody else has removed it
            age = self._now - tree.modified
            outcome = self._treat(path, age, self.policy.grace(kind, path.name))
            if outcome is not None:
                yield Item(kind, path, tree.size, age, outcome)

    def _treat(self, path: Path, age: float, grace: float) -> Outcome | None:
        """Do to `path` what its age says; None when somebody else has removed it meanwhile."""
        if age < grace:
            return Outcome.SPARED
        if self.policy.dry_run:
            return Outcome.REMOVED
        return _take_away(path, self.store / STAGING)


def _take_away(path: Path, staging: Path) -> Outcome | None:
    taken = staging / f"removed-{uuid4().hex}"
    asked_for = _last_asked_for(path)
    touch(path)  # so that no other run takes from this one what has been renamed
    try:
        rename(path, taken)
    except FileNotFoundError:
        return None
    if _last_asked_for(taken) != asked_for and _put_back(taken, path):
        return Outcome.SPARED
    return Outcome.REMOVED if remove(taken) else Outcome.HELD


def _last_asked_for(artifact: Path) -> int | None:
    """Return what `reuse_artifact` sets; a pull may do that while the artifact is being taken away."""
    try:
        return (artifact / MANIFEST).lstat().st_mtime_ns
    except OSError:
        return None


def _put_back(taken: Path, path: Path) -> bool:
    try:
        rename(taken, path)
    except OSError:
        return False  # the pull has published another in its place
    return True


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder of the store; nothing when it is missing or, as a link, leads out of the store."""
    return sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []


def _unneeded_artifacts(store: Path, keep: frozenset[str]) -> list[Path]:
    return [path for path in _entries(store / ARTIFACTS) if is_hex_digest(path.name) and path.name not in keep]


def _unneeded_staging(store: Path, running_jobs: frozenset[str]) -> list[Path]:
    return [path for path in _entries(store / STAGING) if path.name not in running_jobs]


def _temporary_files(store: Path) -> list[Path]:
    """Return what a killed `write_atomically` has left."""
    return [path for path in _entries(store / SOURCES) if _TEMPORARY.fullmatch(path.name)]


def _dead_records(store: Path, gone: set[str]) -> Iterator[Path]:
    for path in _entries(store / SOURCES):
        if path.suffix == ".json":
            record = records.read(path)
            if record is None or record.digest in gone or find_artifact(store, record.digest) is None:
                yield path
