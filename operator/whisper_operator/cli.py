"""The command `whisper-operator`."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from whisper_operator.local import command as up
from whisper_operator.settings import Settings, SettingsError, add_flags, read_settings

EXIT_FAILED = 1
EXIT_USAGE = 2

JSON = dict[str, Any]

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 after a signal, 1 when the operator cannot go on, 2 for wrong settings."""
    parsed = build_parser().parse_args(arguments)
    if parsed.command == "up":
        return up.run(parsed)
    try:
        flags = {name: value for name, value in vars(parsed).items() if name != "command"}
        settings = read_settings(flags, with_images=parsed.command == "run")
    except SettingsError as error:
        print(f"whisper-operator: {error}", file=sys.stderr)  # noqa: T201 - said to whoever starts it, before logs are up
        return EXIT_USAGE
    try:
        return _check(settings, parsed) if parsed.command == "check" else _run(settings)
    except ModuleNotFoundError as error:
        missing = f"{error.name} is not installed: pip install 'whisper-operator[operator]'"
        print(f"whisper-operator: {missing}", file=sys.stderr)  # noqa: T201 - as above
        return EXIT_USAGE


def _run(settings: Settings) -> int:
    # Here and not above: whoever has no cluster installs neither kopf nor the Kubernetes client.
    from whisper_operator import logs, starting  # noqa: PLC0415

    logs.set_up(settings)
    try:
        starting.run(settings)
    except starting.StartError as error:
        _log.critical("%s", error)
        return EXIT_FAILED
    except Exception:  # noqa: BLE001 - the process ends: whatever it was is told in full
        _log.critical("the operator ends, and starts anew where Kubernetes runs it", exc_info=True)
        return EXIT_FAILED
    return 0


def _check(settings: Settings, parsed: argparse.Namespace) -> int:
    from whisper_operator import checking  # noqa: PLC0415 - as above

    try:
        well = checking.run(settings, parsed.rights, parsed.timeout)
    except checking.NobodyToAskError as error:
        print(f"whisper-operator: {error}", file=sys.stderr)  # noqa: T201 - as above
        return EXIT_FAILED
    return 0 if well else EXIT_FAILED


def build_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog="whisper-operator",
        description="Turns WhisperModels into claims, pull Jobs and servers, and says in their status how far that is.",
    )
    parser.add_argument("--version", action="version", version=version("whisper-operator"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run the operator until a signal ends it",
        description=(
            "Run the operator: in a cluster as the pod's ServiceAccount, elsewhere as the user of KUBECONFIG. "
            "Each flag has an environment variable, named in brackets; the flag goes first."
        ),
    )
    add_flags(run)
    check = commands.add_parser(
        "check",
        help="tell whether an operator that is installed can work; what `helm test` runs",
        description=(
            "Tell whether WhisperModels are defined as this version knows them, whether the operator has its rights, "
            "and whether one is at work, a line each. Nothing is changed. Give it the operator's flags or environment, "
            "and run it as the operator's ServiceAccount: others have other rights. "
            "The exit code is 1 when something is not well."
        ),
    )
    add_flags(check, only=("namespaces", "lease_namespace", "lease_name"))
    check.add_argument(
        "--rights", type=_rules, default=[], metavar="RULES", help="the rules of the operator's role, as JSON"
    )
    check.add_argument(
        "--timeout", type=float, default=60, metavar="SECONDS", help="how long an operator may take to be at work (60)"
    )
    up.add_to(commands.add_parser("up", help=up.SUMMARY))
    return parser


def _rules(text: str) -> list[JSON]:
    rules: list[JSON] = json.loads(text)
    return rules
