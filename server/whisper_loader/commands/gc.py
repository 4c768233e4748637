"""``whisper-model gc``: gives back the space of what nobody needs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from whisper_contract.digest import parse_digest
from whisper_contract.reasons import Reason
from whisper_loader.commands.common import (
    ArgumentContainer,
    Subparsers,
    add_command,
    add_json,
    add_store,
    present_store,
    print_json,
    print_text,
)
from whisper_loader.errors import LoaderError, store_errors
from whisper_loader.store.gc import Collector, Item, Outcome, Policy, freed_bytes

GRACE_SECONDS = 3600.0
_DETAILS = """\
Removes artifacts that are not named, what pulls have left that run no more, and records that lead nowhere, if nothing
has touched them for an hour. Whole digests only. Naming none takes --keep-none, lest an empty list wipes the store.
What is in use is for the caller to know: name the digest of each artifact that a server or a WhisperModel refers to.

A file for --keep-from has one digest a line; empty lines and those that begin with # do not count.

examples:
  whisper-model gc --store /srv/models --keep sha256:3f9c…e1 sha256:77d0…c4 --dry-run
  kubectl get whispermodels -A -o json | grep -oE 'sha256:[0-9a-f]{64}' | sort -u |
    whisper-model gc --store /srv/models --keep-from -
"""
_SAID = {Outcome.REMOVED: "removed", Outcome.SPARED: "spared, too young", Outcome.HELD: "still held, partly removed"}


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(subparsers, "gc", summary="remove what nobody needs from a store", details=_DETAILS)
    add_store(parser)
    which = parser.add_argument_group("what to keep")
    add_kept(which)
    which.add_argument("--keep-from", metavar="FILE", help="file with such digests, - for standard input")
    which.add_argument(
        "--running-job", nargs="+", action="extend", default=[], metavar="UID", help="Jobs whose pulls still run"
    )
    which.add_argument(
        "--grace",
        type=float,
        default=GRACE_SECONDS,
        metavar="SECONDS",
        help="spare what was written or asked for within this time (default: %(default)g)",
    )
    parser.add_argument("--dry-run", action="store_true", help="remove nothing, only say what would be removed")
    add_json(parser)
    parser.set_defaults(run=run)


def add_kept(parser: ArgumentContainer) -> None:
    """Declare --keep, --keep-none and --unneeded."""
    parser.add_argument(
        "--keep", nargs="+", action="extend", default=[], metavar="DIGEST", help="artifacts that are needed"
    )
    parser.add_argument("--keep-none", action="store_true", help="no artifact is needed: empty the store")
    parser.add_argument(
        "--unneeded",
        nargs="+",
        action="extend",
        default=[],
        metavar="DIGEST",
        help="artifacts that are known to be unneeded: they go whatever their age",
    )


def run(arguments: argparse.Namespace) -> None:
    """Remove, and tell what."""
    lines = _lines(arguments.keep_from) if arguments.keep_from else []
    keep, unneeded = kept_from(arguments, lines)
    policy = Policy(
        keep=keep,
        running_jobs=frozenset(arguments.running_job),
        grace_seconds=_grace(arguments),
        dry_run=arguments.dry_run,
        unneeded=unneeded,
    )
    items = _collect(present_store(arguments).absolute(), policy, quiet=arguments.json)
    freed = freed_bytes(items)
    if arguments.json:
        print_json({"dryRun": policy.dry_run, "freedBytes": freed, "items": [_describe(item) for item in items]})
    else:
        print_text(f"{'would free' if policy.dry_run else 'freed'} {freed} bytes")


def _collect(store: Path, policy: Policy, *, quiet: bool) -> list[Item]:
    items = []
    with store_errors(store):
        for item in Collector(store, policy).collect():
            items.append(item)
            if not quiet:
                print_text(_line(item, policy))
    return items


def _line(item: Item, policy: Policy) -> str:
    said = "would be removed" if policy.dry_run and item.outcome is Outcome.REMOVED else _SAID[item.outcome]
    return f"{item.kind:<9}  {item.size_bytes:>12} bytes  {item.age_seconds:>9.0f} s old  {said}: {item.path}"


def _describe(item: Item) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "path": str(item.path),
        "sizeBytes": item.size_bytes,
        "ageSeconds": round(item.age_seconds, 3),
        "outcome": item.outcome,
    }


def kept_from(arguments: argparse.Namespace, more: Sequence[str] = ()) -> tuple[frozenset[str], frozenset[str]]:
    """Return the hex digests to keep, with `more`, and those that go; LoaderError SpecInvalid unless that is sure."""
    texts = [*arguments.keep, *more]
    if texts and arguments.keep_none:
        raise LoaderError(Reason.SPEC_INVALID, "--keep-none contradicts the digests that are to be kept")
    if not texts and not arguments.keep_none:
        message = "no digest to keep was named, which would empty the store; say --keep-none if that is meant"
        raise LoaderError(Reason.SPEC_INVALID, message)
    keep, unneeded = _digests("to keep", texts), _digests("that go", arguments.unneeded)
    if both := keep & unneeded:
        raise LoaderError(Reason.SPEC_INVALID, f"{min(both)} is both to be kept and unneeded")
    return keep, unneeded


def _digests(which: str, texts: Sequence[str]) -> frozenset[str]:
    try:
        return frozenset(parse_digest(text) for text in texts)
    except ValueError as error:
        raise LoaderError(Reason.SPEC_INVALID, f"digests {which}: {error}") from error


def _grace(arguments: argparse.Namespace) -> float:
    grace: float = arguments.grace
    if not grace >= 0:  # nan is not either
        raise LoaderError(Reason.SPEC_INVALID, "--grace must be 0 seconds or more")
    return grace


def _lines(name: str) -> list[str]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LoaderError(Reason.SPEC_INVALID, f"--keep-from: {name} can't be read as text") from error
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
