"""Stores in known states: models prepared to be published, artifacts, things of some age."""

import os
import shutil
import time
from pathlib import Path

from whisper_contract.digest import PublishedFile
from whisper_contract.manifest import Manifest, Provenance
from whisper_loader.hashing import sha256_of
from whisper_loader.store.artifacts import Artifact, publish

FILES = {"model.bin": b"weights" * 1000, "config.json": b"{}"}


def prepare(store: Path, name: str, files: dict[str, bytes] | None = None) -> tuple[Path, Manifest]:
    """Write a prepared model into a staging folder; return it with its manifest."""
    folder = store / "staging" / name / "0" / "model"
    folder.mkdir(parents=True)
    contents = FILES if files is None else files
    for path, content in contents.items():
        (folder / path).write_bytes(content)
    published = tuple(PublishedFile(path, len(contents[path]), sha256_of(folder / path)) for path in sorted(contents))
    provenance = Provenance(f"file:///{name}", "2026-01-01T00:00:00Z")
    manifest = Manifest(published, "ctranslate2", "float16", 80, ("en",), False, None, provenance)
    (folder.parent / "wanted.json").write_bytes(manifest.to_json())
    return folder, manifest


def published(store: Path, name: str, files: dict[str, bytes] | None = None, *, age: float = 0) -> Artifact:
    """Publish a model, `age` seconds ago, without a trace in staging."""
    artifact = publish(store, *prepare(store, name, files))
    shutil.rmtree(store / "staging" / name)
    make_older(artifact.path, age)
    return artifact


def make_older(path: Path, seconds: float) -> None:
    """Date `path` and all in it back."""
    then = time.time() - seconds
    for entry in (*path.rglob("*"), path):
        os.utime(entry, (then, then), follow_symlinks=False)


def contents(path: Path) -> dict[str, bytes]:
    """Return the files of an artifact but its manifest."""
    return {entry.name: entry.read_bytes() for entry in path.iterdir() if entry.name != "manifest.json"}
