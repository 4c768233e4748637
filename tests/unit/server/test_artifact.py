"""What is an artifact, and what is none."""

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from whisper_contract.manifest import Manifest
from whisper_server.artifact import ArtifactMissingError, open_artifact


def test_a_published_artifact_is_opened(published_artifact: Path) -> None:
    artifact = open_artifact(published_artifact)
    assert artifact.manifest.digest == published_artifact.name
    assert artifact.manifest.multilingual
    assert artifact.times_words
    assert 0 <= time.time() - artifact.created < 86_400


def test_a_manifest_with_another_idea_of_time_tells_no_creation(published_artifact: Path) -> None:
    artifact = open_artifact(published_artifact)
    provenance = replace(artifact.manifest.provenance, published_at="yesterday")
    assert replace(artifact, manifest=replace(artifact.manifest, provenance=provenance)).created == 0


def _copy(artifact: Path, target: Path) -> Path:
    copy = shutil.copytree(artifact, target)
    copy.chmod(0o755)
    for file in copy.iterdir():
        file.chmod(0o644)
    return copy


def test_an_early_converters_model_times_no_words(published_artifact: Path, tmp_path: Path) -> None:
    copy = _copy(published_artifact, tmp_path / "copy")
    config = (copy / "config.json").read_bytes()
    # As many bytes: the size must still be the manifest's.
    (copy / "config.json").write_bytes(config.replace(b"alignment_heads", b"alignment_headz"))
    assert not open_artifact(copy).times_words


def _cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _drop_tokenizer(path: Path) -> None:
    """Make a valid manifest of an artifact without its tokenizer."""
    manifest = Manifest.from_json((path / "manifest.json").read_bytes())
    files = tuple(file for file in manifest.files if file.path != "tokenizer.json")
    (path / "manifest.json").write_bytes(replace(manifest, files=files).to_json())


def _make_a_store(path: Path) -> None:
    """Put the artifact where a store has it."""
    moved = path.rename(path.with_name("moved"))
    (path / "artifacts").mkdir(parents=True)
    moved.rename(path / "artifacts" / moved.name)


@pytest.mark.parametrize(
    ("damage", "trouble"),
    [
        (shutil.rmtree, "no artifact is at .*: manifest.json: No such file or directory"),
        (lambda path: (path / "manifest.json").unlink(), "it is a model that is not published yet: whisper-model pull"),
        (_make_a_store, "it is a store: name one of the folders in .*/artifacts"),
        (lambda path: _cut(path / "manifest.json"), "manifest.json is not valid"),
        (lambda path: (path / "manifest.json").write_text("{}"), "not a manifest of version 1"),
        (lambda path: (path / "model.bin").unlink(), "model.bin is missing"),
        (lambda path: _cut(path / "model.bin"), "does not have the [0-9]+ bytes of its manifest"),
        (_drop_tokenizer, "it lacks tokenizer.json"),
    ],
)
def test_what_is_not_whole_is_no_artifact(
    published_artifact: Path, tmp_path: Path, damage: Callable[[Path], None], trouble: str
) -> None:
    copy = _copy(published_artifact, tmp_path / "copy")
    damage(copy)
    with pytest.raises(ArtifactMissingError, match=trouble):
        open_artifact(copy)
