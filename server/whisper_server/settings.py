"""Everything that can be set, in one place: a field is a flag, an environment variable, a default and a line of help.

`model_name` is `--model-name` and `WHISPER_SERVER_MODEL_NAME`. A flag wins over the environment.
"""

import argparse
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_type_hints

from whisper_contract.termination import TERMINATION_LOG

ENVIRONMENT_PREFIX = "WHISPER_SERVER_"

DEVICES = ("auto", "cuda", "cpu")
#: https://opennmt.net/CTranslate2/quantization.html; `default` keeps the artifact's own as far as the device can.
COMPUTE_TYPES = (
    *("default", "auto", "int8", "int8_float32", "int8_float16", "int8_bfloat16"),
    *("int16", "float16", "bfloat16", "float32"),
)
LOG_LEVELS = ("debug", "info", "warning", "error")
MIB = 1024 * 1024


class SettingsError(ValueError):
    """A setting is missing or cannot be right; the text is one sentence that names it."""


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return parse


def _list_of(parse: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    def parse_list(text: str) -> tuple[str, ...]:
        items = tuple(parse(item.strip()) for item in text.split(",") if item.strip())
        if not items:
            raise ValueError("the list is empty")
        return items

    return parse_list


def _whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not minimum <= int(text) <= maximum:
            raise ValueError(f"{text!r} is not a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


_port = _whole_number(0, 65_535)
_seconds = _whole_number(0, 86_400)


@dataclass(frozen=True, slots=True)
class _Setting:
    """What stands beside a field: how its text is read, and its line of help."""

    parse: Callable[[str], Any]
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the server runs with; see each field's help."""

    model: Annotated[Path, _Setting(Path, "directory of the published artifact to serve")]
    model_name: Annotated[
        tuple[str, ...],
        _Setting(_list_of(str), "names that clients may call the model, comma-separated; the first is the default"),
    ] = ("whisper",)
    device: Annotated[str, _Setting(_one_of(*DEVICES), "cuda, cpu, or auto: cuda where there is a GPU")] = "auto"
    compute_type: Annotated[
        tuple[str, ...],
        _Setting(
            _list_of(_one_of(*COMPUTE_TYPES)),
            "CTranslate2 compute types in order of preference; the first that the device can do is used",
        ),
    ] = ("default",)
    cpu_threads: Annotated[
        int, _Setting(_whole_number(0, 1024), "threads of the model on a CPU; 0: as many CPUs as the process may use")
    ] = 0
    host: Annotated[str, _Setting(str, "address to listen on; empty: every interface")] = ""
    grpc_port: Annotated[int, _Setting(_port, "port of gRPC; 0: any free one, told in the log")] = 50_051
    probe_port: Annotated[int, _Setting(_port, "port of /health and /metrics; 0: any free one, told in the log")] = (
        8_001
    )
    max_message_bytes: Annotated[
        int, _Setting(_whole_number(MIB, 2**31 - 1), "bytes of the largest request, its audio included")
    ] = 64 * MIB
    max_audio_seconds: Annotated[int, _Setting(_whole_number(1, 86_400), "longest audio of one request")] = 3_600
    max_queued_requests: Annotated[
        int, _Setting(_whole_number(0, 10_000), "requests that may wait for the model; one more is refused")
    ] = 32
    max_connection_age_seconds: Annotated[
        int,
        _Setting(
            _seconds, "age at which a connection is asked to reconnect, so that replicas share the load; 0: never"
        ),
    ] = 300
    drain_delay_seconds: Annotated[
        int, _Setting(_seconds, "time after SIGTERM in which new requests are still taken, while endpoints change")
    ] = 5
    grace_seconds: Annotated[int, _Setting(_seconds, "time after that for requests in flight to finish")] = 30
    log_format: Annotated[str, _Setting(_one_of("json", "text"), "json or text")] = "json"
    log_level: Annotated[str, _Setting(_one_of(*LOG_LEVELS), ", ".join(LOG_LEVELS))] = "info"
    termination_log: Annotated[Path, _Setting(Path, "file that takes the termination message, if it is there")] = Path(
        TERMINATION_LOG
    )


@dataclass(frozen=True, slots=True)
class _Field:
    """One setting, as code goes through them."""

    name: str
    setting: _Setting
    default: Any

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def default_text(self) -> str | None:
        if self.default is dataclasses.MISSING:
            return None
        return ",".join(self.default) if isinstance(self.default, tuple) else str(self.default)

    def parse(self, origin: str, text: str) -> Any:
        try:
            return self.setting.parse(text)
        except ValueError as error:
            raise SettingsError(f"{origin}: {error}") from error


def _fields() -> Iterator[_Field]:
    hints = get_type_hints(Settings, include_extras=True)
    for field in dataclasses.fields(Settings):
        yield _Field(field.name, hints[field.name].__metadata__[0], field.default)


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """How one setting is given: for help and documentation.

    Attributes:
        default: as it would be written on the command line; None when the setting is required.
    """

    flag: str
    variable: str
    default: str | None
    help: str


def describe_settings() -> tuple[SettingDescription, ...]:
    """Return the description of every setting, in order."""
    return tuple(
        SettingDescription(field.flag, field.variable, field.default_text, field.setting.help) for field in _fields()
    )


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that flags and environment give; `--help` prints itself and ends the process.

    Raises:
        SettingsError: when one is missing or cannot be right, or a flag is unknown.
    """
    flags = vars(_parser().parse_args(arguments))
    values = {}
    for field in _fields():
        origin, text = field.flag, flags[field.name]
        if text is None:
            origin, text = field.variable, environment.get(field.variable)
        if text is not None:
            values[field.name] = field.parse(origin, text)
        elif field.default is dataclasses.MISSING:
            raise SettingsError(f"{field.flag} (or {field.variable}) is required: {field.setting.help}")
    return Settings(**values)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def _parser() -> argparse.ArgumentParser:
    description = "Serve one published Whisper artifact over gRPC."
    parser = _Parser(prog="whisper-server", description=description, allow_abbrev=False)
    for field in _fields():
        default = field.default_text
        hint = "required" if default is None else f"default: {default or '(empty)'}"
        explanation = f"{field.setting.help} [{hint}; {field.variable}]"
        parser.add_argument(field.flag, dest=field.name, metavar="VALUE", help=explanation)
    return parser
