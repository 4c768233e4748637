"""The private folder of one pull, in which its steps hand the work on.

<staging>/source/      what was pulled
<staging>/model/       what is to be published
<staging>/state.json   what the steps tell one another
<staging>/journal.json how far the pull has come, for the pod that goes on when this one dies
"""

import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from whisper_contract.reasons import Reason
from whisper_contract.store import staging_path
from whisper_loader.errors import LoaderError
from whisper_loader.store.durable import rename, write_atomically
from whisper_loader.store.journal import JOURNAL

_STATE = "state.json"
_BY_HAND = "by-hand"


def is_by_hand(folder: str) -> bool:
    """Tell whether a folder in staging belongs to a pull by hand; else it is named after its Job."""
    return folder.startswith(f"{_BY_HAND}-")


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a pull so far.

    Attributes:
        source: resolved identity.
        record_key: names this source with this conversion among the store's records.
        archive_sha256: of the source's bytes, when it was an archive.
        format: what the source held: ctranslate2 or transformers.
        model_folder: where the model lies, relative to `source/` ("." or the archive's top folder).
        quantization: that was asked for.
        converter: program that made model.bin, when it was this one.
        files: size and hex sha256 of what lies in `model_folder` as it was pulled, by name.
        published: hex digest, when an earlier pull has published all this already; the other steps have nothing to do.
    """

    source: str
    record_key: str
    archive_sha256: str | None = None
    format: str | None = None
    model_folder: str = "."
    quantization: str | None = None
    converter: str | None = None
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    published: str | None = None


class Staging:
    """One pull's folder."""

    def __init__(self, store: Path, job: str, pod: str) -> None:
        """Name the folder; nothing is made yet."""
        self.store = store
        self.path = store / staging_path(job, pod)
        self._job = store / staging_path(job, pod).parent

    @classmethod
    def by_hand(cls, store: Path) -> "Staging":
        """Return a new folder for a command that a person runs."""
        return cls(store, f"{_BY_HAND}-{uuid4().hex}", "0")

    @property
    def source(self) -> Path:
        return self.path / "source"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def journal(self) -> Path | None:
        """Where the pull notes how far it has come; None by hand, where nobody goes on."""
        return None if self._job.name.startswith(_BY_HAND) else self.path / JOURNAL

    def prepare(self) -> None:
        """Make the folder anew, or of what a dead pod of the same Job has left: a Job runs one pod at a time."""
        journals = [pod / JOURNAL for pod in self._pods() if (pod / JOURNAL).is_file()]
        newest = max(journals, key=lambda journal: journal.stat().st_mtime, default=None)
        for pod in self._pods():
            if newest is None or pod != newest.parent:
                shutil.rmtree(pod, ignore_errors=True)
        if newest is not None and newest.parent != self.path:
            rename(newest.parent, self.path)
        shutil.rmtree(self.model, ignore_errors=True)
        for folder in (self.source, self.model):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def can_go_on(self) -> bool:
        """Whether another pod of the same Job would find something to go on with."""
        return self.journal is not None and self.journal.is_file()

    def _pods(self) -> list[Path]:
        return [entry for entry in self._job.iterdir() if entry.is_dir()] if self._job.is_dir() else []

    def discard(self) -> None:
        """Remove the folder, and those of the same Job's other pods."""
        shutil.rmtree(self._job, ignore_errors=True)

    def save(self, state: State) -> None:
        """Hand `state` on to the next step."""
        write_atomically(self.path / _STATE, json.dumps(asdict(state), indent=2).encode())

    def load(self) -> State:
        """Return what the step before has handed on.

        Raises:
            LoaderError: InternalError when it has not.
        """
        try:
            return State(**json.loads((self.path / _STATE).read_bytes()))
        except (FileNotFoundError, ValueError, TypeError, RecursionError) as error:
            raise LoaderError(Reason.INTERNAL_ERROR, f"{self.path} has no state from the step before") from error

    def amend(self, **changes: Any) -> State:
        """Change some of the state's fields and return it."""
        state = replace(self.load(), **changes)
        self.save(state)
        return state
