"""``whisper-model convert``: a checkpoint to CTranslate2, without a store."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whisper_contract.reasons import Reason
from whisper_loader.commands.common import (
    Subparsers,
    add_command,
    add_json,
    add_quantization,
    place_errors,
    print_json,
    print_text,
)
from whisper_loader.errors import LoaderError, store_errors
from whisper_loader.model.layout import PUBLISHED_FILES, ModelFormat, find_model_in
from whisper_loader.model.pointers import check_no_pointers
from whisper_loader.model.validate import validate
from whisper_loader.progress import for_people
from whisper_loader.sources.files import file_errors

_DETAILS = """\
The result is what CTranslate2's own ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json
makes, byte for byte; neither torch nor transformers is needed.

example:
  whisper-model convert ./my-finetuned-whisper -o ./my-finetuned-whisper-ct2 --quantization int8_float16
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        subparsers, "convert", summary="convert a transformers checkpoint to CTranslate2", details=_DETAILS
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="the checkpoint: safetensors, config and tokenizer")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="a folder that does not exist or is empty"
    )
    add_quantization(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Convert and check the result."""
    from whisper_loader.model.convert import convert  # noqa: PLC0415  (takes half a second, and few commands need it)

    source, output = arguments.directory, arguments.output
    with file_errors(source):
        found = find_model_in(source)
        check_no_pointers(source, found.names)
    if found.format is not ModelFormat.TRANSFORMERS:
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{source} is in CTranslate2's format already")
    with store_errors(output):
        with place_errors("--output", output):
            output.mkdir(parents=True, exist_ok=True)
        if any(output.iterdir()):
            raise LoaderError(Reason.SPEC_INVALID, f"{output} is not empty")
        with _whole_or_nothing(output):
            with for_people().meter("convert") as meter:
                convert(source, output, arguments.quantization, meter)
            facts = validate(output)
    if arguments.json:
        print_json({"path": str(output), "quantization": facts.quantization, "languages": list(facts.languages)})
    else:
        print_text(f"{facts.quantization}  {output}")


@contextmanager
def _whole_or_nothing(output: Path) -> Iterator[None]:
    """Leave the folder as empty as it was when the work in it fails, so that it can be done again."""
    try:
        yield
    except BaseException:
        for name in PUBLISHED_FILES:
            (output / name).unlink(missing_ok=True)
        raise
