"""``whisper-model verify``: whether artifacts are still what was published."""

import argparse
from pathlib import Path

from whisper_contract.digest import PREFIX, format_digest
from whisper_contract.reasons import Reason
from whisper_contract.store import ARTIFACTS
from whisper_loader.commands.common import Subparsers, add_command, add_json, add_store, print_json, print_text
from whisper_loader.errors import LoaderError
from whisper_loader.progress import for_people
from whisper_loader.store.artifacts import verify

_DETAILS = """\
Every byte is read and compared with the manifest.

examples:
  whisper-model verify --store /srv/models                  every artifact
  whisper-model verify 3f9c2e --store /srv/models           one, by the start of its digest
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        subparsers, "verify", summary="read artifacts and compare them with their manifests", details=_DETAILS
    )
    parser.add_argument(
        "digest", nargs="?", default="", metavar="DIGEST", help="the digest or its start; all when left out"
    )
    add_store(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Verify what was asked for; the first damaged artifact ends it."""
    verified = []
    for path in _chosen(arguments.store, arguments.digest.removeprefix(PREFIX)):
        with for_people().meter("verify") as meter:
            verified.append(verify(path, meter))
    if arguments.json:
        print_json({"verified": [format_digest(artifact.manifest.digest) for artifact in verified]})
        return
    for artifact in verified:
        print_text(f"{format_digest(artifact.manifest.digest)}  whole, {artifact.manifest.size_bytes} bytes")


def _chosen(store: Path, start: str) -> list[Path]:
    folder = store / ARTIFACTS
    paths = sorted(path for path in folder.iterdir() if path.name.startswith(start)) if folder.is_dir() else []
    if start and len(paths) != 1:
        which = "no artifact" if not paths else "more than one artifact"
        raise LoaderError(Reason.SPEC_INVALID, f"the digest of {which} in {store} starts with {start}")
    return paths
