"""What several commands share: declaring options, making what the steps need, printing results."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from whisper_contract.digest import parse_digest
from whisper_contract.reasons import Reason
from whisper_loader.access import Access
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.http.ca_bundle import check_ca_bundle
from whisper_loader.model.quantization import QUANTIZATIONS
from whisper_loader.secrets import SecretFolder


class Subparsers(Protocol):
    """What argparse gives to declare subcommands with."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
        """Declare one."""


class ArgumentContainer(Protocol):
    """What argparse gives to declare arguments with: a parser, or a group of its arguments."""

    def add_argument(self, *flags: str, **options: Any) -> argparse.Action:
        """Declare one."""


def add_command(subparsers: Subparsers, name: str, *, summary: str, details: str) -> argparse.ArgumentParser:
    """Declare a command whose help is `summary` in the list and `details`, kept as written, on its own page."""
    return subparsers.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_store(parser: argparse.ArgumentParser) -> None:
    """Declare --store."""
    parser.add_argument("--store", type=_named, required=True, metavar="DIR", help="the store: the volume's root")


def _named(text: str) -> Path:
    if not text:  # of a variable that is not set; Path takes it for the working directory
        raise argparse.ArgumentTypeError("the name is empty")
    return Path(text)


def present_store(arguments: argparse.Namespace) -> Path:
    """Return the store that --store names; LoaderError SpecInvalid when it is not there."""
    store: Path = arguments.store
    if not store.is_dir():
        raise LoaderError(Reason.SPEC_INVALID, f"--store: there is no folder {store}")
    return store


@contextmanager
def place_errors(option: str, path: Path) -> Iterator[None]:
    """Map what keeps `path`, which `option` names, from being made; to LoaderError SpecInvalid."""
    try:
        yield
    except (FileExistsError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise LoaderError(Reason.SPEC_INVALID, f"{option}: {path} can't be made: {error.strerror}") from error


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare --json."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output, errors too")


def add_quantization(parser: argparse.ArgumentParser) -> None:
    """Declare --quantization."""
    parser.add_argument(
        "--quantization",
        metavar="Q",
        help=f"type of the weights when converting: {', '.join(QUANTIZATIONS)} (default: float16, float32 for float32)",
    )


def add_reach(parser: argparse.ArgumentParser) -> None:
    """Declare how to reach a service."""
    parser.add_argument("--endpoint", metavar="URL", help="the service's address when it is not the provider's own")
    parser.add_argument("--region", metavar="R", help="S3: the bucket's region")
    parser.add_argument("--ca-bundle", type=Path, metavar="FILE", help="PEM file of certificate authorities to trust")
    parser.add_argument("--secret-dir", type=Path, metavar="DIR", help="folder with a file for each key of the Secret")


def add_resolvable(parser: argparse.ArgumentParser) -> None:
    """Declare a source and how to ask what it holds."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="s3://bucket/key, s3://bucket/prefix/, gs://bucket/object, gdrive://FILEID, hf://org/name@rev, "
        "oci://registry/name:tag, https://host/path, or a path",
    )
    add_reach(parser)
    parser.add_argument("--anonymous", action="store_true", help="ask without credentials")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="give up after this time")


def add_source(parser: argparse.ArgumentParser) -> None:
    """Declare a source and how to read it."""
    add_resolvable(parser)
    parser.add_argument("--sha256", metavar="HEX", help="what the archive's bytes must have")
    add_quantization(parser)


def access_from(arguments: argparse.Namespace, deadline: Deadline) -> Access:
    """Return how the arguments say to reach the source."""
    secret_dir: Path | None = arguments.secret_dir
    return Access(
        endpoint=arguments.endpoint or None,
        region=arguments.region or None,
        anonymous=getattr(arguments, "anonymous", False),
        secret=None if secret_dir is None else SecretFolder(secret_dir),
        ca_bundle=None if arguments.ca_bundle is None else check_ca_bundle(arguments.ca_bundle),
        deadline=deadline,
    )


def deadline_from(arguments: argparse.Namespace) -> Deadline:
    """Return the deadline that --timeout sets; LoaderError SpecInvalid for one that is over before it begins."""
    if arguments.timeout is not None and not arguments.timeout > 0:  # nan is not either
        raise LoaderError(Reason.SPEC_INVALID, "--timeout must be more than 0 seconds")
    return Deadline(arguments.timeout)


def sha256_from(arguments: argparse.Namespace) -> str | None:
    """Return the hex that --sha256 asks for; LoaderError SpecInvalid when it is none."""
    if not arguments.sha256:
        return None
    try:
        return parse_digest(arguments.sha256.lower())
    except ValueError as error:
        raise LoaderError(Reason.SPEC_INVALID, f"--sha256: {error}") from error


def print_json(document: dict[str, Any]) -> None:
    """Print the one object that --json promises."""
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def print_text(text: str) -> None:
    """Print a result for people or pipes."""
    sys.stdout.write(text + "\n")
