"""What is remembered between runs: for each WhisperModel of a file, the artifacts that have served, the last one first.

One small file for each file of WhisperModels, in the data directory. A lock beside it lets one `up` run it at a time.
"""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from whisper_operator.api.status import Artifact

_KEY_LENGTH = 16


class Served(msgspec.Struct, frozen=True):
    """What is known of one WhisperModel.

    Attributes:
        inputs: the hash of the inputs that the first of the artifacts was pulled for; empty when it was named outright.
        revisions: the artifacts that have served and are kept.
    """

    inputs: str = ""
    revisions: tuple[Artifact, ...] = ()


class _Document(msgspec.Struct, frozen=True):
    file: str
    models: dict[str, Served] = {}


class InUseError(Exception):
    """Another process runs the same file."""


class Record:
    """The memory of one file of WhisperModels."""

    def __init__(self, folder: Path, file: Path) -> None:
        """Read what is there; what cannot be read is as if it were not there."""
        self._file = str(file.absolute())
        self.key = hashlib.sha256(self._file.encode()).hexdigest()[:_KEY_LENGTH]
        self._folder = folder
        self._path = folder / f"{self.key}.json"
        self._models = dict(_read(self._path).models)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from running the same file.

        Raises:
            InUseError: when one does.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InUseError(f"another whisper-operator up runs {self._file}") from error
            yield

    def served(self, name: str) -> Served:
        """Return what is known of a WhisperModel."""
        return self._models.get(name, Served())

    def note(self, name: str, inputs: str, artifact: Artifact, keep: int) -> list[str]:
        """Remember that `artifact` serves now; return the hex digests that nothing refers to any more."""
        before = self.served(name).revisions
        revisions = (artifact, *(one for one in before if one.key != artifact.key))
        self._models[name] = Served(inputs, revisions[:keep])
        self._write()
        needed = {digest for path in self._folder.glob("*.json") for digest in _digests(_read(path))}
        return [_hex(one) for one in revisions[keep:] if not one.is_baked and _hex(one) not in needed]

    def _write(self) -> None:
        written = self._path.with_suffix(".new")
        written.write_bytes(msgspec.json.format(msgspec.json.encode(_Document(self._file, self._models))))
        written.replace(self._path)


def _read(path: Path) -> _Document:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Document)
    except (OSError, msgspec.MsgspecError):
        return _Document("")


def _digests(document: _Document) -> Iterator[str]:
    for served in document.models.values():
        yield from (_hex(one) for one in served.revisions if not one.is_baked)


def _hex(artifact: Artifact) -> str:
    return Path(artifact.path).name
