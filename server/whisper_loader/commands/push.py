"""``whisper-model push``: an archive or a model's folder to where clusters pull from, and what serves it there."""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from whisper_contract.reasons import Reason
from whisper_contract.uris import Source, shown
from whisper_loader.access import Access
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
from whisper_loader.sources import upload as destinations
from whisper_loader.sources.files import unchanged
from whisper_loader.sources.resolve import parse
from whisper_loader.sources.s3.encryption import ALGORITHMS, Encryption

_DETAILS = """\
A folder goes up as an archive where the name ends in .tar, .tar.zst or .tar.gz, and file by file below a name of s3://
or gs:// that ends in a slash. hf:// takes a folder, and makes a private repository when there is none; oci:// takes
either; https:// is a PUT. What is printed can be applied as it is: whisper-model push … | kubectl apply -f -

examples:
  whisper-model push turbo.tar.zst s3://models/turbo.tar.zst --endpoint https://minio.example:9000
  whisper-model push ./my-finetuned-whisper s3://models/mine.tar.zst --region eu-central-1 --sse aws:kms
  whisper-model push ./my-finetuned-whisper gs://models/mine/
  whisper-model push ./my-finetuned-whisper hf://my-org/my-finetuned-whisper
  whisper-model push turbo.tar.zst oci://registry.example.com/speech/turbo:1
  whisper-model push turbo.tar.zst https://artifacts.example.com/models/ --secret-dir ./login
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        subparsers, "push", summary="upload a model; prints the WhisperModel that serves it", details=_DETAILS
    )
    parser.add_argument("path", type=Path, metavar="FILE|DIR", help="an archive, or a folder that holds a model")
    parser.add_argument("destination", metavar="URI", help=destinations.DESTINATIONS)
    add_reach(parser)
    parser.add_argument("--sse", choices=ALGORITHMS, help="S3: how the service encrypts it (the bucket's default)")
    parser.add_argument("--sse-kms-key-id", metavar="KEY", help="S3: the key for --sse aws:kms (the service's own)")
    add_json(parser)
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class _Push:
    """What all parts of one push share."""

    access: Access
    encryption: Encryption
    meter: Meter

    def upload(self, path: Path, destination: Source) -> None:
        destinations.upload(path, destination, self.access, self.meter, self.encryption)


def run(arguments: argparse.Namespace) -> None:
    """Upload and print the resource."""
    destination, encryption = parse(arguments.destination), Encryption(arguments.sse, arguments.sse_kms_key_id)
    destinations.check_destination(destination, encryption)
    access = access_from(arguments, Deadline())
    if access.secret is not None:
        access.secret.check_exists()
    if not arguments.path.exists():
        raise LoaderError(Reason.SOURCE_NOT_FOUND, f"{arguments.path} does not exist")
    with for_people().meter("push") as meter:
        destination, sha256 = _push(_Push(access, encryption, meter), arguments.path, destination)
    logger.info("pushed to %s; this serves it:", shown(destination))
    if arguments.json:
        print_json({"destination": shown(destination), "sha256": sha256})
    else:
        print_text(serving_resource(destination, access, sha256))


def _push(push: _Push, path: Path, destination: Source) -> tuple[Source, str | None]:
    """Return what can be pulled now, and the sha256 of the archive if it is one."""
    if not path.is_dir():
        destinations.check_takes_archive(destination)
        return _push_archive(push, path, destinations.inside(destination, path.name))
    if destinations.takes_folder(destination):
        _push_files(push, path, destination)
        return destination, None
    return _push_packed(push, path, destination)


def _push_archive(push: _Push, archive: Path, destination: Source) -> tuple[Source, str]:
    push.meter.start(archive.stat().st_size)
    with unchanged([archive]):
        push.upload(archive, destination)
        return destination, sha256_of(archive)


def _push_files(push: _Push, directory: Path, destination: Source) -> None:
    names = model_names(directory)
    push.meter.start(sum((directory / name).stat().st_size for name in names))
    with unchanged([directory / name for name in names]):
        if not destinations.path_of(destination).endswith("/"):
            push.upload(directory, destination)
            return
        for name in names:
            push.upload(directory / name, destinations.inside(destination, name))


def _push_packed(push: _Push, directory: Path, destination: Source) -> tuple[Source, str]:
    suffix = next((suffix for suffix in SUFFIXES if destinations.path_of(destination).endswith(suffix)), None)
    if suffix is None:
        message = f"{shown(destination)}: a folder goes to a name that ends in {', '.join(SUFFIXES)}; or / in a bucket"
        raise LoaderError(Reason.SPEC_INVALID, message)
    with tempfile.TemporaryDirectory(prefix="whisper-model-") as folder:
        archive = Path(folder, f"model{suffix}")
        with for_people().meter("pack") as packing:
            pack_model(directory, archive, packing)
        return _push_archive(push, archive, destination)
