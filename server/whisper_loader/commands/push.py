"""``whisper-model push``: an archive or a model's folder to S3, and the resource that serves it from there."""

import argparse
import tempfile
from pathlib import Path

from whisper_contract.reasons import Reason
from whisper_contract.uris import S3Source
from whisper_loader.archive.pack import SUFFIXES
from whisper_loader.commands.common import (
    Subparsers,
    access_from,
    add_command,
    add_json,
    add_reach,
    print_json,
    print_text,
)
from whisper_loader.commands.pack import model_names, pack_model
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.hashing import sha256_of
from whisper_loader.log import logger
from whisper_loader.progress import Meter, for_people
from whisper_loader.resource import serving_resource
from whisper_loader.sources.base import Access
from whisper_loader.sources.resolve import parse

_DETAILS = """\
A folder goes up as an archive when the key ends in .tar, .tar.zst or .tar.gz, and file by file when it ends in a slash.
What is printed can be applied as it is: whisper-model push … | kubectl apply -f -

examples:
  whisper-model push turbo.tar.zst s3://models/turbo.tar.zst --endpoint https://minio.example:9000
  whisper-model push ./my-finetuned-whisper s3://models/mine.tar.zst --region eu-central-1
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        subparsers, "push", summary="upload a model; prints the WhisperModel that serves it", details=_DETAILS
    )
    parser.add_argument("path", type=Path, metavar="FILE|DIR", help="an archive, or a folder that holds a model")
    parser.add_argument("destination", metavar="URI", help="s3://bucket/key, or s3://bucket/prefix/")
    add_reach(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Upload and print the resource."""
    destination = parse(arguments.destination)
    if not isinstance(destination, S3Source) or destination.version_id is not None:
        raise LoaderError(Reason.SPEC_INVALID, f"{arguments.destination}: a push goes to s3://bucket/key")
    access = access_from(arguments, Deadline())
    if access.secret is not None:
        access.secret.check_exists()
    if not arguments.path.exists():
        raise LoaderError(Reason.SOURCE_NOT_FOUND, f"{arguments.path} does not exist")
    destination, sha256 = _push(arguments.path, destination, access)
    logger.info("pushed to %s; this serves it:", destination)
    if arguments.json:
        print_json({"destination": str(destination), "sha256": sha256})
    else:
        print_text(serving_resource(destination, access, sha256))


def _push(path: Path, destination: S3Source, access: Access) -> tuple[S3Source, str | None]:
    with for_people().meter("push") as meter:
        if path.is_dir() and destination.is_prefix:
            return _push_files(path, destination, access, meter), None
        if path.is_dir():
            return _push_packed(path, destination, access, meter)
        if destination.is_prefix:
            destination = S3Source(destination.bucket, destination.key + path.name)
        meter.start(path.stat().st_size)
        _upload(path, destination, access, meter)
        return destination, sha256_of(path)


def _push_files(directory: Path, prefix: S3Source, access: Access, meter: Meter) -> S3Source:
    names = model_names(directory)
    meter.start(sum((directory / name).stat().st_size for name in names))
    for name in names:
        _upload(directory / name, S3Source(prefix.bucket, prefix.key + name), access, meter)
    return prefix


def _push_packed(directory: Path, destination: S3Source, access: Access, meter: Meter) -> tuple[S3Source, str]:
    suffix = next((suffix for suffix in SUFFIXES if destination.key.endswith(suffix)), None)
    if suffix is None:
        raise LoaderError(
            Reason.SPEC_INVALID, f"{destination}: a folder goes to a key that ends in / or {', '.join(SUFFIXES)}"
        )
    with tempfile.TemporaryDirectory(prefix="whisper-model-") as folder:
        archive = Path(folder, f"model{suffix}")
        with for_people().meter("pack") as packing:
            pack_model(directory, archive, packing)
        meter.start(archive.stat().st_size)
        _upload(archive, destination, access, meter)
        return destination, sha256_of(archive)


def _upload(path: Path, destination: S3Source, access: Access, meter: Meter) -> None:
    from whisper_loader.sources.s3_upload import upload  # noqa: PLC0415  (boto3 takes half a second to import)

    upload(path, destination, access, meter)
