"""`whisper-operator up`: its command line."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from whisper_operator.local.ports import Ports, is_private, trouble_with

EXIT_USAGE = 2

SUMMARY = "run the WhisperModels of a file on this machine, without a cluster"
_DESCRIPTION = """\
Run the WhisperModels of a file as processes of this machine: the same loader pulls them into a store, the same server
serves them, and the same reasons and messages tell what is wrong. The file is the one that kubectl would apply.
Changes to it are followed: a new model is pulled while the old one serves, and then takes its place; a file that is
wrong is told of, and what ran before runs on. Ctrl-C lets calls finish; a second one does not.
"""
_DETAILS = """\
a first try:
  whisper-operator up examples/whispermodel-cpu.yaml
  whisper-client transcribe talk.mp3 --server 127.0.0.1:50051

where things come from:
  Secrets and ConfigMaps that a WhisperModel names are documents of the same file, or, of Secrets, folders below
  --secrets: DIR/NAME/KEY. Without secretRef the usual chain: AWS_* variables, ~/.aws, HF_TOKEN, ~/.docker/config.json …
  source.volume names a claim: --volume CLAIM=DIR says which directory stands for it.

ports:
  The first WhisperModel gets 50051 (gRPC), 8000 (HTTP) and 8001 (health, metrics), the second 50061, 8010 and 8011,
  and so on, past those that are in use; they are told when its server is ready. --ports fixes them.
  At the HTTP port's address / is a page to try the model in a browser, unless --host lets other machines in.

exit codes: 0 after Ctrl-C; 2 for a wrong file or option; with --once, those of whisper-model.
"""


def add_to(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = _DESCRIPTION, _DETAILS
    parser.add_argument("file", type=Path, metavar="FILE", help="YAML with WhisperModels, and what they name")
    parser.add_argument("--once", action="store_true", help="pull the models, print where they are, and end")
    parser.add_argument(
        "--data",
        type=Path,
        default=_data_folder(os.environ),
        metavar="DIR",
        help="where models and what is remembered of them are kept (default: %(default)s)",
    )
    parser.add_argument("--secrets", type=Path, metavar="DIR", help="a folder for each Secret, a file for each key")
    parser.add_argument(
        "--volume",
        type=_volume,
        action="append",
        default=[],
        metavar="CLAIM=DIR",
        help="the directory that stands for a claim of source.volume",
    )
    parser.add_argument(
        "--host",
        type=_host,
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--ports",
        type=_ports,
        action="append",
        default=[],
        metavar="NAME=GRPC,HTTP,PROBE",
        help="the ports of a WhisperModel",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    try:
        return _run(arguments)
    except ModuleNotFoundError as error:
        _say(f"{error.name} is not installed: pip install 'whisper-operator[local]'")
        return EXIT_USAGE


def _run(arguments: argparse.Namespace) -> int:
    # Here and not above: --help needs none of what these import.
    from whisper_operator.local.content import ContentError, read_content  # noqa: PLC0415
    from whisper_operator.local.plan import Places  # noqa: PLC0415
    from whisper_operator.local.record import InUseError, Record  # noqa: PLC0415
    from whisper_operator.local.supervisor import Options, Supervisor  # noqa: PLC0415
    from whisper_operator.local.telling import Teller  # noqa: PLC0415

    try:
        content = read_content(arguments.file)
    except ContentError as error:
        for problem in error.problems:
            _say(problem)
        return EXIT_USAGE
    data = arguments.data.absolute()
    record = Record(data / "up", arguments.file)
    secrets = None if arguments.secrets is None else arguments.secrets.absolute()
    try:
        with record.locked(), tempfile.TemporaryDirectory(prefix="whisper-up-") as objects:
            places = Places(data / "models", Path(objects), secrets, dict(arguments.volume), is_private(arguments.host))
            options = Options(arguments.file, places, arguments.host, dict(arguments.ports))
            supervisor = Supervisor(options, record, Teller())
            if arguments.once:
                return asyncio.run(supervisor.pull_all(content))
            asyncio.run(supervisor.run(content))
    except InUseError as error:
        _say(f"{error}: end that one first")
        return EXIT_USAGE
    except OSError as error:
        _say(f"--data {data}: {error.filename or data}: {error.strerror}")
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 130
    return 0


def _data_folder(environment: Mapping[str, str]) -> Path:
    """Return the user's data directory: https://specifications.freedesktop.org/basedir-spec/latest/."""
    home = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home, "whisper-operator")


def _volume(text: str) -> tuple[str, Path]:
    name, separator, folder = text.partition("=")
    if not (name and separator and Path(folder).exists()):
        raise argparse.ArgumentTypeError(f"{text!r} is not CLAIM=DIR with a directory that is there")
    return name, Path(folder)


def _host(text: str) -> str:
    if trouble := trouble_with(text):
        advice = "take one of this machine's: 127.0.0.1 for it alone, 0.0.0.0 to let others in"
        raise argparse.ArgumentTypeError(f"nothing can listen on {text!r} ({trouble}): {advice}")
    return text


def _ports(text: str) -> tuple[str, Ports]:
    name, separator, numbers = text.partition("=")
    if not (name and separator):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=GRPC,HTTP,PROBE")
    try:
        return name, Ports.parse(numbers)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _say(text: str) -> None:
    print(f"whisper-operator up: {text}", file=sys.stderr)  # noqa: T201 - for people
