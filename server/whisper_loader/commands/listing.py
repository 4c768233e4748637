"""``whisper-model list``: the artifacts of a store."""

import argparse
from pathlib import Path
from typing import Any

from whisper_contract.digest import format_digest, short_digest
from whisper_contract.manifest import Manifest
from whisper_loader.commands.common import (
    Subparsers,
    add_command,
    add_json,
    add_store,
    present_store,
    print_json,
    print_text,
)
from whisper_loader.errors import printable, store_errors
from whisper_loader.store.artifacts import Damage, list_artifacts

_DETAILS = """\
WHOLE tells whether each file is there in its size; whisper-model verify reads the bytes. What is not whole is never
served, and the next pull of the same model replaces it.

example:
  whisper-model list --store /srv/models --json
"""
_COLUMNS = "{:<12}  {:>8}  {:<13}  {:>9}  {:<20}  {:<5}  {}"


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(subparsers, "list", summary="list the artifacts of a store", details=_DETAILS)
    add_store(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print a line for each artifact."""
    store = present_store(arguments)
    with store_errors(store):
        found = list(list_artifacts(store))
    if arguments.json:
        print_json({"artifacts": [_describe(path, artifact) for path, artifact in found]})
        return
    print_text(_COLUMNS.format("DIGEST", "MB", "QUANTIZATION", "LANGUAGES", "PUBLISHED", "WHOLE", "SOURCE"))
    for path, artifact in found:
        # Whoever may write to the volume may have written what stands in a manifest.
        print_text(_COLUMNS.format(*map(printable, _row(path, artifact))))


def _row(path: Path, artifact: Manifest | Damage) -> tuple[str, ...]:
    if isinstance(artifact, Damage):
        return (short_digest(path.name), "-", "-", "-", "-", "no", "; ".join(artifact.problems))
    return (
        short_digest(artifact.digest),
        f"{artifact.size_bytes / 1e6:.1f}",
        artifact.quantization,
        str(len(artifact.languages)),
        artifact.provenance.published_at,
        "yes",
        artifact.provenance.source,
    )


def _describe(path: Path, artifact: Manifest | Damage) -> dict[str, Any]:
    document = {"digest": format_digest(path.name), "path": str(path), "whole": isinstance(artifact, Manifest)}
    if isinstance(artifact, Damage):
        return {**document, "problems": list(artifact.problems)}
    return {
        **document,
        "quantization": artifact.quantization,
        "sizeBytes": artifact.size_bytes,
        "languages": list(artifact.languages),
        "publishedAt": artifact.provenance.published_at,
        "source": artifact.provenance.source,
    }
