"""``whisper-model pack``: an archive of a model."""

import argparse
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4

from whisper_contract.reasons import Reason
from whisper_loader.archive.pack import SUFFIXES, pack
from whisper_loader.commands.common import (
    Subparsers,
    add_command,
    add_json,
    place_errors,
    print_json,
    print_text,
)
from whisper_loader.errors import LoaderError, printable, store_errors
from whisper_loader.hashing import sha256_of
from whisper_loader.log import logger
from whisper_loader.model.layout import find_model
from whisper_loader.model.pointers import check_no_pointers
from whisper_loader.progress import Meter, for_people
from whisper_loader.sources.files import file_errors

_DETAILS = """\
Only the files that a Whisper model needs are packed, as plain files with neither owner nor time: the same model gives
the same bytes, whoever packs it, whenever.

examples:
  whisper-model pack ./whisper-large-v3-turbo -o turbo.tar.zst
  whisper-model pack ~/.cache/huggingface/hub/models--org--name/snapshots/<commit> -o name.tar
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        subparsers, "pack", summary="pack a model's folder into an archive; prints its sha256", details=_DETAILS
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="a transformers checkpoint or a CTranslate2 model")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help=f"ends in {', '.join(SUFFIXES)}"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Pack, and print the sha256 that a pull can be told."""
    with for_people().meter("pack") as meter:
        pack_model(arguments.directory, arguments.output, meter)
    sha256, size = sha256_of(arguments.output), arguments.output.stat().st_size
    if arguments.json:
        print_json({"path": str(arguments.output), "sha256": sha256, "sizeBytes": size})
    else:
        print_text(f"{sha256}  {arguments.output}")


def model_names(directory: Path) -> tuple[str, ...]:
    """Return the names of the files in `directory` that make a model, and say which are left out.

    Raises:
        LoaderError: SourceNotFound, UnsupportedFormat.
    """
    with file_errors(directory):
        present = sorted(entry.name for entry in os.scandir(directory) if entry.is_file())
        names = find_model(present).names
        check_no_pointers(directory, names)
    if left_out := sorted(set(present) - set(names)):
        logger.info("left out, not needed: %s", ", ".join(map(printable, left_out)))
    return names


def pack_model(directory: Path, output: Path, meter: Meter) -> None:
    """Pack the model in `directory`; a failure leaves no part of an archive, and the one that was there before.

    Raises:
        LoaderError: SourceNotFound, Unauthorized, UnsupportedFormat, SourceChanged; SpecInvalid, OutOfSpace, …, of the
            place for the archive.
    """
    if not output.name.endswith(SUFFIXES):
        raise LoaderError(Reason.SPEC_INVALID, f"{output.name}: an archive's name ends in {', '.join(SUFFIXES)}")
    names = model_names(directory)
    # Tried before, so that what can't be read is not taken for what can't be written.
    for name in names:
        with file_errors(directory / name), (directory / name).open("rb"):
            pass
    with store_errors(output), _opened(output) as file:
        pack(directory, names, file, output.name, meter)


@contextmanager
def _opened(output: Path) -> Iterator[IO[bytes]]:
    """Open a file beside the archive's place for writing, and put it there when it is whole.

    What is in that place, be it a link to one of the model's own files, is never written to.
    """
    part = output.with_name(f".{output.name}.{uuid4().hex}")
    with place_errors("--output", output):
        if output.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        file = part.open("xb")
    try:
        with file:
            yield file
        part.replace(output)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
