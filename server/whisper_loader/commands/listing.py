"""``whisper-model list``: the artifacts of a store."""

import argparse
from typing import Any

from whisper_contract.digest import format_digest, short_digest
from whisper_loader.commands.common import Subparsers, add_command, add_json, add_store, print_json, print_text
from whisper_loader.store.artifacts import Artifact, list_artifacts

_DETAILS = """\
example:
  whisper-model list --store /srv/models --json
"""
_COLUMNS = "{:<12}  {:<13}  {:>10}  {:<20}  {}"


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(subparsers, "list", summary="list the artifacts of a store", details=_DETAILS)
    add_store(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print a line for each artifact."""
    artifacts = list(list_artifacts(arguments.store))
    if arguments.json:
        print_json({"artifacts": [_describe(artifact) for artifact in artifacts]})
        return
    print_text(_COLUMNS.format("DIGEST", "QUANTIZATION", "MB", "PUBLISHED", "SOURCE"))
    for artifact in artifacts:
        manifest = artifact.manifest
        size = f"{manifest.size_bytes / 1e6:.1f}"
        origin = manifest.provenance
        row = (short_digest(manifest.digest), manifest.quantization, size, origin.published_at, origin.source)
        print_text(_COLUMNS.format(*row))


def _describe(artifact: Artifact) -> dict[str, Any]:
    manifest = artifact.manifest
    return {
        "digest": format_digest(manifest.digest),
        "path": str(artifact.path),
        "quantization": manifest.quantization,
        "sizeBytes": manifest.size_bytes,
        "publishedAt": manifest.provenance.published_at,
        "source": manifest.provenance.source,
    }
