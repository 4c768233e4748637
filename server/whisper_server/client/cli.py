"""The command ``whisper-client``."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from whisper_server.client import detect, model, transcribe
from whisper_server.client.errors import ClientError, ExitCode
from whisper_server.client.screen import Screen

_DETAILS = """\
the usual way:
  whisper-client model --server HOST:50051               is it there, and what is it?
  whisper-client transcribe talk.mp3                     what is said
  kubectl port-forward service/NAME 50051 &              a server in a cluster is then at the default address

exit codes: 0 done; 1 may be tried again; 2 wrong usage; 3 refused as it is: a file, an option or a token is wrong;
130 interrupted. Results go to standard output, everything else to standard error. COMMAND --help says more.
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in the same words as every other trouble."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}\ntry {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    logging.getLogger().addHandler(logging.NullHandler())  # gRPC logs what it also raises.
    parser, screen = build_parser(), Screen()
    parsed = parser.parse_args(arguments)
    try:
        code: int = parsed.run(parsed, screen)
        sys.stdout.flush()
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    except ClientError as error:
        screen.say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        screen.clear()
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # What is left in the buffer would be tried again at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = _Parser(
        prog="whisper-client",
        description="Transcribes recordings and live speech with a whisper-server.",
        epilog=_DETAILS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version("whisper-operator"))
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (transcribe, detect, model):
        command.add_to(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(main())
