"""Whether artifacts are, byte for byte, what was published."""

from pathlib import Path

from whisper_contract.digest import PublishedFile
from whisper_contract.manifest import Manifest
from whisper_loader.progress import Meter
from whisper_loader.store.artifacts import Damage, hash_file, inspect_artifact


def verify(path: Path, meter: Meter) -> Manifest | Damage:
    """Read every byte of the artifact at `path`; return its manifest, or each file that is not as it says."""
    manifest = inspect_artifact(path)
    if isinstance(manifest, Damage):
        return manifest
    meter.start(manifest.size_bytes)
    problems = [_damage_of(path, file, meter) for file in manifest.files]
    found = tuple(problem for problem in problems if problem is not None)
    return Damage(found) if found else manifest


def _damage_of(artifact: Path, expected: PublishedFile, meter: Meter) -> str | None:
    path = artifact / expected.path
    try:
        found = hash_file(artifact, expected.path, meter)
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"
    if found != expected:
        return f"{path} is not as it was published: it has sha256 {found.sha256}, and {expected.sha256} was published"
    return None
