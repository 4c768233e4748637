"""``whisper-model verify``: whether artifacts are still what was published."""

import argparse
from pathlib import Path

from whisper_contract.digest import PREFIX, format_digest
from whisper_contract.manifest import Manifest
from whisper_contract.reasons import Reason
from whisper_loader.commands.common import (
    Subparsers,
    add_command,
    add_json,
    add_store,
    present_store,
    print_json,
    print_text,
)
from whisper_loader.errors import LoaderError, store_errors
from whisper_loader.progress import for_people
from whisper_loader.store.artifacts import Damage, list_artifacts
from whisper_loader.store.verification import verify

_DETAILS = """\
Every byte is read and compared with the manifest. Every file that differs is named, of all the artifacts that were
asked for; the exit code is 70 (InvalidModel) then. To mend an artifact, let gc remove it and pull again.

examples:
  whisper-model verify --store /srv/models --all            every artifact
  whisper-model verify 3f9c2e --store /srv/models           one, by the start of its digest
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        subparsers, "verify", summary="read artifacts and compare them with their manifests", details=_DETAILS
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("digest", nargs="?", metavar="DIGEST", help="the artifact's digest or the start of it")
    which.add_argument("--all", action="store_true", help="every artifact of the store")
    add_store(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Verify what was asked for; LoaderError InvalidModel, naming every damaged file, after all were read."""
    store = present_store(arguments)
    with store_errors(store):
        paths = _chosen(store, arguments.digest)
        whole, problems = _verify(paths)
    if not arguments.json:
        for manifest in whole:
            print_text(f"{format_digest(manifest.digest)}  whole, {manifest.size_bytes} bytes")
    if problems:
        damaged = len(paths) - len(whole)
        message = f"{damaged} of {len(paths)} artifacts are damaged: let gc remove what is, and pull it again"
        raise LoaderError(Reason.INVALID_MODEL, message, details=problems)
    if arguments.json:
        print_json({"verified": [format_digest(manifest.digest) for manifest in whole]})


def _verify(paths: list[Path]) -> tuple[list[Manifest], list[str]]:
    whole: list[Manifest] = []
    problems: list[str] = []
    for path in paths:
        with for_people().meter("verify") as meter:
            found = verify(path, meter)
        if isinstance(found, Damage):
            problems += found.problems
        else:
            whole.append(found)
    return whole, problems


def _chosen(store: Path, digest: str | None) -> list[Path]:
    paths = [path for path, _ in list_artifacts(store)]
    if digest is None:
        return paths
    start = digest.removeprefix(PREFIX)
    chosen = [path for path in paths if start and path.name.startswith(start)]
    if len(chosen) != 1:
        which = "no artifact" if not chosen else "more than one artifact"
        raise LoaderError(Reason.SPEC_INVALID, f"the digest of {which} in {store} starts with {start!r}")
    return chosen
