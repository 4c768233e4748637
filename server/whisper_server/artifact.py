"""The published artifact that is served: a directory whose manifest says what it is.

A directory without a valid manifest, or without the files that it lists, does not exist (see the store's contract).
"""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from whisper_contract.manifest import Manifest, ManifestError
from whisper_contract.store import ARTIFACTS, MANIFEST

#: Without these faster-whisper would look for the missing ones on the internet.
_NEEDED = frozenset({"model.bin", "config.json", "tokenizer.json"})


class ArtifactMissingError(Exception):
    """The directory holds no whole published artifact; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A published artifact on this machine.

    Attributes:
        times_words: whether the model names the attention heads that words' times are read from; models that early
            converters made do not.
    """

    path: Path
    manifest: Manifest
    times_words: bool

    @property
    def created(self) -> int:
        """Return when it was published, in seconds since 1970; 0 when its manifest does not say."""
        try:
            return int(datetime.fromisoformat(self.manifest.provenance.published_at).timestamp())
        except ValueError:
            return 0


def open_artifact(path: Path) -> Artifact:
    """Return the artifact in the directory `path`, after checking that its files are there in full size.

    Raises:
        ArtifactMissingError: when there is none, or not all of it.
    """
    manifest = _read_manifest(path)
    for file in manifest.files:
        if _size(path / file.path) != file.size:
            raise ArtifactMissingError(
                f"{path / file.path} is missing or does not have the {file.size} bytes of its manifest"
            )
    if missing := _NEEDED - {file.path for file in manifest.files}:
        raise ArtifactMissingError(f"{path} is no artifact that can be served: it lacks {', '.join(sorted(missing))}")
    return Artifact(path, manifest, _names_alignment_heads(path / "config.json"))


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.from_json((path / MANIFEST).read_bytes())
    except OSError as error:
        raise ArtifactMissingError(f"no artifact is at {path}: {_instead(path, error)}") from error
    except ManifestError as error:
        raise ArtifactMissingError(f"no artifact is at {path}: {MANIFEST} is not valid: {error}") from error


def _instead(path: Path, error: OSError) -> str:
    """Say what is there in place of an artifact, if it is what people take for one."""
    if (path / ARTIFACTS).is_dir():
        return f"it is a store: name one of the folders in {path / ARTIFACTS}"
    if (path / "config.json").exists():
        return f"it is a model that is not published yet: whisper-model pull {path} --store DIR tells what to name here"
    return f"{MANIFEST}: {error.strerror}"


def _names_alignment_heads(config: Path) -> bool:
    try:
        document = json.loads(config.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactMissingError(f"{config} cannot be read: {error}") from error
    return isinstance(document, dict) and bool(document.get("alignment_heads"))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
