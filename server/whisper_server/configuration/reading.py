"""Where settings come from: flags over the environment over the file that `--config` names over defaults."""

import argparse
import dataclasses
import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

from whisper_server.configuration.settings import Settings
from whisper_server.configuration.values import Setting, SettingsError, yes_or_no

ENVIRONMENT_PREFIX = "WHISPER_SERVER_"
#: The one option that is no setting: where others are.
CONFIG_FLAG = "--config"
CONFIG_VARIABLE = ENVIRONMENT_PREFIX + "CONFIG"
#: How alike a misspelt name and the right one are, at least, as difflib measures it.
_NEARLY = 0.8
_CONFIG_HELP = "TOML file with settings: each flag's name with _ for -, without the leading --"


@dataclass(frozen=True, slots=True)
class _Field:
    """One setting, as code goes through them."""

    name: str
    setting: Setting
    default: Any

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def is_switch(self) -> bool:
        return self.setting.parse is yes_or_no

    @property
    def default_text(self) -> str | None:
        if self.default is dataclasses.MISSING:
            return None
        return "" if self.default is None else _as_text(self.default)

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
    """Return the settings that flags, environment and file give; `--help` prints itself and ends the process.

    Raises:
        SettingsError: when one is missing or cannot be right, or a flag or a key of the file is unknown.
    """
    flags = vars(_parser().parse_args(arguments))
    config = flags["config"] or environment.get(CONFIG_VARIABLE)
    written = _read_file(Path(config)) if config else {}
    values = {}
    for field in _fields():
        sources = (
            (field.flag, flags[field.name]),
            (field.variable, environment.get(field.variable)),
            (f"{config}: {field.name}", written.get(field.name)),
        )
        origin, text = next(((origin, text) for origin, text in sources if text is not None), ("", None))
        if text is not None:
            values[field.name] = field.parse(origin, text)
        elif field.default is dataclasses.MISSING:
            raise SettingsError(f"{field.flag} (or {field.variable}) is required: {field.setting.help}")
    settings = Settings(**values)
    settings.check()
    return settings


def misspelt_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return a sentence for each variable that is nearly, and not quite, a setting's.

    Others are left alone: in a namespace with a Service `whisper-server` Kubernetes sets some that begin alike.
    """
    known = [field.variable.removeprefix(ENVIRONMENT_PREFIX) for field in _fields()]
    told = []
    for variable in sorted(environment):
        name = variable.removeprefix(ENVIRONMENT_PREFIX)
        if name in (variable, *known):
            continue
        if near := difflib.get_close_matches(name, known, 1, cutoff=_NEARLY):
            told.append(f"{variable} is no setting: do you mean {ENVIRONMENT_PREFIX}{near[0]}?")
    return told


def _read_file(path: Path) -> dict[str, str]:
    """Return the settings of a file, each as it would be written on the command line."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    known = [field.name for field in _fields()]
    for key in document:
        if key not in known:
            raise SettingsError(f"{path}: {key!r} is no setting{_nearest(key, known)}")
    return {key: _as_text(value, f"{path}: {key}") for key, value in document.items()}


def _nearest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key.replace("-", "_").lower(), known, 1)
    return f": do you mean {near[0]}?" if near else "; whisper-server --help lists them"


def _as_text(value: Any, origin: str = "") -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | Path):
        return str(value)
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    raise SettingsError(f"{origin}: {value!r} is neither a text, a whole number, true, false nor a list of texts")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(message)


def _parser() -> argparse.ArgumentParser:
    description = "Serve one published Whisper artifact over gRPC and HTTP."
    parser = _Parser(prog="whisper-server", description=description, allow_abbrev=False)
    parser.add_argument(CONFIG_FLAG, metavar="FILE", help=f"{_CONFIG_HELP} [{CONFIG_VARIABLE}]")
    for field in _fields():
        default = field.default_text
        hint = "required" if default is None else f"default: {default or '(empty)'}"
        explanation = f"{field.setting.help} [{hint}; {field.variable}]"
        switch: dict[str, Any] = {"nargs": "?", "const": "true"} if field.is_switch else {}
        parser.add_argument(field.flag, dest=field.name, metavar="VALUE", help=explanation, **switch)
    return parser
