"""Published artifacts: how one comes to be, which there are, and whether they are whole."""

import errno
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from whisper_contract.digest import PublishedFile, is_hex_digest
from whisper_contract.manifest import Manifest, ManifestError
from whisper_contract.store import ARTIFACTS, MANIFEST, artifact_path
from whisper_loader.archive.reader import SourceReader
from whisper_loader.model.documents import invalid
from whisper_loader.progress import Meter
from whisper_loader.store.durable import fsync_file, fsync_folder

_FILE_MODE = 0o644
_FOLDER_MODE = 0o755
_ALREADY_THERE = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})
_MAX_MANIFEST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Artifact:
    """A published artifact."""

    path: Path
    manifest: Manifest


def hash_files(directory: Path, names: tuple[str, ...], meter: Meter) -> tuple[PublishedFile, ...]:
    """Return path, size and sha256 of the files `names` of `directory`."""
    meter.start(sum((directory / name).stat().st_size for name in names))
    return tuple(_hash_file(directory, name, meter) for name in names)


def _hash_file(directory: Path, name: str, meter: Meter) -> PublishedFile:
    path = directory / name
    with path.open("rb", buffering=0) as file:
        reader = SourceReader(file, meter)
        reader.drain()
        return PublishedFile(name, file.tell(), reader.sha256)


def publish(store: Path, prepared: Path, manifest: Manifest) -> Artifact:
    """Make `prepared`, a folder on the same volume that holds just the manifest's files, an artifact of `store`.

    Whoever looks sees either nothing or the whole artifact, also after a kill or a power cut at any moment. An equal
    artifact that is there already stays, `prepared` is left then.

    Raises:
        OSError: of the volume.
    """
    (prepared / MANIFEST).write_bytes(manifest.to_json())
    _make_readable(prepared)
    for entry in sorted(prepared.iterdir()):
        fsync_file(entry)
    fsync_folder(prepared)
    target = store / artifact_path(manifest.digest)
    target.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    while (present := find_artifact(store, manifest.digest)) is None:
        _move_into_place(prepared, target)
    return present


def _make_readable(folder: Path) -> None:
    """Servers read as any user."""
    for path, mode in [(folder, _FOLDER_MODE), *((entry, _FILE_MODE) for entry in folder.iterdir())]:
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)


def _move_into_place(prepared: Path, target: Path) -> None:
    """Rename; what lies in the way without being an artifact (a restored backup, a bad disk) is put aside first."""
    try:
        prepared.rename(target)
    except OSError as error:
        if error.errno not in _ALREADY_THERE:
            raise
        if find_artifact(target.parent.parent, target.name) is None:
            _put_aside(target, prepared.parent)
        return
    fsync_folder(target.parent)


def _put_aside(target: Path, staging: Path) -> None:
    try:
        target.rename(staging / f"in-the-way-{uuid4().hex}")
    except FileNotFoundError:
        return  # somebody else has done it


def find_artifact(store: Path, hex_digest: str) -> Artifact | None:
    """Return the artifact, or None: a folder without a valid manifest, or with a file missing, is none."""
    path = store / artifact_path(hex_digest)
    try:
        manifest = read_manifest(path)
        whole = all((path / file.path).stat().st_size == file.size for file in manifest.files)
    except (OSError, ManifestError):
        return None
    return Artifact(path, manifest) if whole and manifest.digest == hex_digest else None


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of the artifact at `path`.

    Raises:
        ManifestError: when it is not valid.
        OSError: when it can't be read.
    """
    with (path / MANIFEST).open("rb") as file:
        return Manifest.from_json(file.read(_MAX_MANIFEST_BYTES))


def list_artifacts(store: Path) -> Iterator[Artifact]:
    """Yield every artifact of the store, in the order of their digests."""
    folder = store / ARTIFACTS
    if not folder.is_dir():
        return
    for name in sorted(entry.name for entry in folder.iterdir()):
        if is_hex_digest(name) and (artifact := find_artifact(store, name)) is not None:
            yield artifact


def verify(path: Path, meter: Meter) -> Artifact:
    """Return the artifact at `path` after reading every byte of it.

    Raises:
        LoaderError: InvalidModel, naming the first file that is not as its manifest says.
        OSError: of the volume.
    """
    try:
        manifest = read_manifest(path)
    except FileNotFoundError as error:
        raise invalid(f"{path} has no {MANIFEST}: it is not a published artifact") from error
    except ManifestError as error:
        raise invalid(f"{path / MANIFEST}: {error}") from error
    if is_hex_digest(path.name) and path.name != manifest.digest:
        raise invalid(f"{path} has the manifest of another artifact, {manifest.digest}")
    missing = [file.path for file in manifest.files if not (path / file.path).is_file()]
    if missing:
        raise invalid(f"{path} lacks {', '.join(missing)}")
    found = hash_files(path, tuple(file.path for file in manifest.files), meter)
    for file, expected in zip(found, manifest.files, strict=True):
        if file != expected:
            raise invalid(f"{path / file.path} is not as it was published: it has sha256 {file.sha256}")
    return Artifact(path, manifest)
