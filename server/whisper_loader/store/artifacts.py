"""Published artifacts: how one comes to be, which there are, and whether they are whole."""

import errno
import hashlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from whisper_contract.digest import PublishedFile, is_hex_digest
from whisper_contract.manifest import Manifest, ManifestError
from whisper_contract.store import ARTIFACTS, MANIFEST, artifact_path
from whisper_loader.progress import Meter
from whisper_loader.store.durable import fsync_file, fsync_folder, make_folder, rename
from whisper_loader.store.trees import read_plain_file, touch

_FILE_MODE = 0o644
_FOLDER_MODE = 0o755
_ALREADY_THERE = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_MAX_MANIFEST_BYTES = 1 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Artifact:
    """A published artifact."""

    path: Path
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Damage:
    """Why a folder is no whole artifact: one sentence for each file, naming it."""

    problems: tuple[str, ...]


def hash_files(directory: Path, names: tuple[str, ...], meter: Meter) -> tuple[PublishedFile, ...]:
    """Return path, size and sha256 of the files `names` of `directory`."""
    meter.start(sum((directory / name).stat().st_size for name in names))
    return tuple(hash_file(directory, name, meter) for name in names)


def hash_file(directory: Path, name: str, meter: Meter) -> PublishedFile:
    """Return path, size and sha256 of the file `name` of `directory`."""
    sha256, size = hashlib.sha256(), 0
    with (directory / name).open("rb", buffering=0) as file:
        while data := file.read(_CHUNK):
            sha256.update(data)
            size += len(data)
            meter.advance(len(data))
    return PublishedFile(name, size, sha256.hexdigest())


def publish(store: Path, prepared: Path, manifest: Manifest) -> Artifact:
    """Make `prepared`, a folder on the same volume that holds just the manifest's files, an artifact of `store`.

    Whoever looks sees either nothing or the whole artifact, also after a kill or a power cut at any moment. An equal
    artifact that is there already stays, `prepared` is left then.

    Raises:
        LoaderError: ClaimNotWritable when the volume can't rename folders.
        OSError: any other, of the volume.
    """
    (prepared / MANIFEST).write_bytes(manifest.to_json())
    _make_readable(prepared)
    for entry in sorted(prepared.iterdir()):
        fsync_file(entry)
    fsync_folder(prepared)
    target = store / artifact_path(manifest.digest)
    make_folder(target.parent)
    while (present := reuse_artifact(store, manifest.digest)) is None:
        if _move_into_place(prepared, target):
            return Artifact(target, manifest)
    return present


def _make_readable(folder: Path) -> None:
    """Servers read as any user."""
    for path, mode in [(folder, _FOLDER_MODE), *((entry, _FILE_MODE) for entry in folder.iterdir())]:
        if stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)


def _move_into_place(prepared: Path, target: Path) -> bool:
    """Rename; what lies in the way without being an artifact (a restored backup, a bad disk) is put aside first.

    Returns whether it is done. If not, look again: an equal artifact may be there (NFS can also answer a rename that
    it has done with an error, after a lost reply).
    """
    try:
        rename(prepared, target)
    except OSError as error:
        if find_artifact(target.parent.parent, target.name) is not None:
            return False
        if error.errno not in _ALREADY_THERE:
            raise
        _put_aside(target, prepared.parent)
        return False
    fsync_folder(target.parent)
    return True


def _put_aside(target: Path, staging: Path) -> None:
    try:
        rename(target, staging / f"in-the-way-{uuid4().hex}")
    except FileNotFoundError:
        return  # somebody else has done it


def find_artifact(store: Path, hex_digest: str) -> Artifact | None:
    """Return the artifact, or None: a folder without a valid manifest, or with a file missing, is none."""
    manifest = inspect_artifact(store / artifact_path(hex_digest))
    return None if isinstance(manifest, Damage) else Artifact(store / artifact_path(hex_digest), manifest)


def reuse_artifact(store: Path, hex_digest: str) -> Artifact | None:
    """Return the artifact as `find_artifact` does, and make it young again, so that `gc` spares what is in demand."""
    artifact = find_artifact(store, hex_digest)
    if artifact is None:
        return None
    # The manifest, not the folder: some file systems change a folder's time when it is renamed, and gc must tell.
    return artifact if touch(artifact.path / MANIFEST) else None


def inspect_artifact(path: Path) -> Manifest | Damage:
    """Return the manifest of the artifact at `path`, or what is wrong with it as far as names and sizes tell.

    A link, there or in place of a file, is never followed: it counts as damage.
    """
    try:
        if not stat.S_ISDIR(path.lstat().st_mode):
            return Damage((f"{path} is not a folder",))
        manifest = read_manifest(path)
    except FileNotFoundError:
        return Damage((f"{path} has no {MANIFEST}: it is not a published artifact",))
    except OSError as error:
        return Damage((f"{path / MANIFEST} can't be read: {error.strerror}",))
    except ManifestError as error:
        return Damage((f"{path / MANIFEST}: {error}",))
    if is_hex_digest(path.name) and path.name != manifest.digest:
        return Damage((f"{path} has the manifest of another artifact, {manifest.digest}",))
    problems = tuple(problem for file in manifest.files if (problem := _damage_of(path / file.path, file)) is not None)
    return Damage(problems) if problems else manifest


def _damage_of(path: Path, expected: PublishedFile) -> str | None:
    try:
        status = path.lstat()
    except OSError as error:
        return f"{path} is missing" if error.errno in _ABSENT else f"{path} can't be read: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a file"
    if status.st_size != expected.size:
        return f"{path} has {status.st_size} bytes, and {expected.size} were published"
    return None


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of the artifact at `path`.

    Raises:
        ManifestError: when it is not valid.
        OSError: when it can't be read.
    """
    return Manifest.from_json(read_plain_file(path / MANIFEST, _MAX_MANIFEST_BYTES))


def list_artifacts(store: Path) -> Iterator[tuple[Path, Manifest | Damage]]:
    """Yield what has an artifact's name in the store, in the order of digests, with what `inspect_artifact` says."""
    folder = store / ARTIFACTS
    if not folder.is_dir():
        return
    for name in sorted(entry.name for entry in folder.iterdir()):
        if is_hex_digest(name):
            yield folder / name, inspect_artifact(folder / name)
