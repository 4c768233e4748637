"""The command line's options: declared in groups that commands share, read into what the code works with."""

import argparse
import os
from pathlib import Path
from typing import Any, Protocol

from whisper_server.api import transcription_pb2 as pb
from whisper_server.client.connection import Target
from whisper_server.client.sources import Source

DEFAULT_SERVER = "localhost:50051"
SERVER_VARIABLE = "WHISPER_CLIENT_SERVER"

_MOST_RETRIES = 1_000
#: A little more than a year; gRPC reckons in nanoseconds.
_LONGEST_SECONDS = 4e7


class Subparsers(Protocol):
    """What argparse gives to declare subcommands with."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
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


def add_files(parser: argparse.ArgumentParser) -> None:
    """Declare the recordings."""
    parser.add_argument("files", nargs="+", type=source, metavar="FILE", help="a recording; - for standard input")


def add_model(parser: argparse._ActionsContainer) -> None:
    """Declare --model."""
    parser.add_argument("--model", default="", metavar="NAME", help="one of the server's names [default: its first]")


def add_audio(parser: argparse.ArgumentParser) -> None:
    """Declare what headerless samples are."""
    group = parser.add_argument_group("headerless audio")
    group.add_argument(
        "--rate", type=_positive, metavar="HZ", help="the bytes are 16-bit little-endian samples, so many a second"
    )
    group.add_argument("--channels", type=_positive, default=1, metavar="N", help="interleaved in them [default: 1]")


def add_server(parser: argparse.ArgumentParser) -> None:
    """Declare where the server is."""
    group = parser.add_argument_group("server")
    group.add_argument(
        "--server",
        default=os.environ.get(SERVER_VARIABLE) or DEFAULT_SERVER,
        type=_address,
        metavar="HOST:PORT",
        help=f"where it is [default: ${SERVER_VARIABLE}, else {DEFAULT_SERVER}]",
    )
    group.add_argument("--tls", action="store_true", help="encrypt; implied by --ca and --cert")
    group.add_argument("--ca", type=Path, metavar="FILE", help="authorities that may vouch for it [default: gRPC's]")
    group.add_argument("--cert", type=Path, metavar="FILE", help="your certificate, if it asks for one; with --key")
    group.add_argument("--key", type=Path, metavar="FILE", help="its key")
    group.add_argument("--server-name", metavar="NAME", help="the name in its certificate, if the address is another")
    group.add_argument("--token-file", type=Path, metavar="FILE", help="file that holds your token; needs TLS")
    group.add_argument(
        "--timeout", type=_seconds, default=14_400.0, metavar="SECONDS", help="for each file [default: 14400]"
    )
    group.add_argument(
        "--retries",
        type=_count,
        default=4,
        metavar="N",
        help="how often to try again while it is busy or not reachable [default: 4]",
    )


def read_target(arguments: argparse.Namespace) -> Target:
    """Return where the server is; argparse.ArgumentTypeError when options do not go together."""
    if (arguments.cert is None) != (arguments.key is None):
        raise argparse.ArgumentTypeError("--cert and --key go together")
    return Target(
        address=arguments.server,
        tls=arguments.tls or arguments.ca is not None or arguments.cert is not None,
        ca=arguments.ca,
        cert=arguments.cert,
        key=arguments.key,
        server_name=arguments.server_name,
        token_file=arguments.token_file,
        timeout=arguments.timeout,
        retries=arguments.retries,
    )


def read_audio(arguments: argparse.Namespace) -> pb.AudioFormat:
    """Return what the bytes are."""
    if arguments.rate is None:
        return pb.AudioFormat()
    return pb.AudioFormat(
        encoding=pb.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hertz=arguments.rate, channels=arguments.channels
    )


def source(text: str) -> Source:
    """Read the name of a recording."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return Source(text)


def _address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or "/" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as localhost:50051")
    return text


def _positive(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_RETRIES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {_MOST_RETRIES}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds
