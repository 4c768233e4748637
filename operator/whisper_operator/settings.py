"""The operator's settings, in one place: each a flag and an environment variable; the flag goes first."""

import argparse
import os
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

from whisper_operator.api.defaults import ServerDefaults, read_server_defaults

PREFIX = "WHISPER_OPERATOR_"


def _setting(text: str, *, default: Any = None, choices: Sequence[str] | None = None) -> Any:
    return field(default=default, metadata={"help": text, "choices": choices})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the operator runs. Field `loader_image` is the flag --loader-image and WHISPER_OPERATOR_LOADER_IMAGE."""

    loader_image: str = _setting("image of the pull Jobs", default="")
    server_image: str = _setting("image of the servers, unless a WhisperModel names its own", default="")
    image_pull_policy: str = _setting(
        "when nodes pull these images", default="IfNotPresent", choices=("Always", "IfNotPresent", "Never")
    )
    image_pull_secrets: tuple[str, ...] = _setting(
        "names, separated by commas, of Secrets in the WhisperModels' namespaces that the images are pulled with",
        default=(),
    )
    server_defaults: ServerDefaults = _setting(  # noqa: RUF009 - immutable too
        "what servers get where their WhisperModel does not say, as JSON with fields of spec.server: resources, env, "
        "podLabels, podAnnotations, nodeSelector, tolerations, affinity, topologySpreadConstraints, runtimeClassName, "
        "priorityClassName",
        default=ServerDefaults(),
    )
    namespaces: tuple[str, ...] = _setting("namespaces to serve, separated by commas; all when empty", default=())
    lease_namespace: str = _setting(
        "namespace of the Lease that decides which of several operators is at work; without it there may be only one",
        default="",
    )
    lease_name: str = _setting("name of that Lease", default="whisper-operator")
    log_format: str = _setting("json for machines, text for people", default="json", choices=("json", "text"))
    log_level: str = _setting(
        "least severity that is logged", default="info", choices=("debug", "info", "warning", "error")
    )
    probe_port: int = _setting("port of GET /healthz, /readyz and /metrics", default=8080)
    deletion_timeout_seconds: int = _setting(
        "how long the deletion of a WhisperModel waits for its artifacts to be removed from a claim that outlives it",
        default=900,
    )
    max_rollouts: int = _setting(
        "how many WhisperModels have their servers replaced at a time when settings or version of the operator change",
        default=3,
    )


class SettingsError(ValueError):
    """A setting is missing or wrong; the text says which, and where it is set."""


def add_flags(parser: argparse.ArgumentParser, only: Container[str] | None = None) -> None:
    """Add one flag for each setting, or for each of those named."""
    for setting in (setting for setting in fields(Settings) if only is None or setting.name in only):
        parser.add_argument(_flag(setting.name), help=f"{setting.metadata['help']} ({_variable(setting.name)})")


def read_settings(
    flags: Mapping[str, str | None], environment: Mapping[str, str] = os.environ, *, with_images: bool = True
) -> Settings:
    """Return the settings that flags and environment give; nothing runs without images.

    Raises:
        SettingsError: when a value cannot be right, or an image is not given.
    """
    values: dict[str, Any] = {}
    hints = get_type_hints(Settings)
    for setting in fields(Settings):
        text = flags.get(setting.name)
        text = environment.get(_variable(setting.name)) if text is None else text
        if text is not None:
            values[setting.name] = _read(setting.name, text, hints[setting.name], setting.metadata["choices"])
    settings = Settings(**values)
    for name in ("loader_image", "server_image"):
        if with_images and not getattr(settings, name):
            raise SettingsError(f"no image is set: give {_flag(name)} or {_variable(name)}")
    return settings


def _read(name: str, text: str, kind: Any, choices: Sequence[str] | None) -> Any:
    where = f"{_flag(name)} ({_variable(name)})"
    if choices is not None and text not in choices:
        raise SettingsError(f"{where} is {text!r}: expected one of {', '.join(choices)}")
    if kind is int:
        if not (text.isdecimal() and 0 < int(text) < 1 << 16):
            raise SettingsError(f"{where} is {text!r}: expected a whole number from 1 to 65535")
        return int(text)
    if kind is str:
        return text
    if kind is ServerDefaults:
        try:
            return read_server_defaults(text)
        except ValueError as error:
            raise SettingsError(f"{where} is {text!r}: {error}") from error
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(name: str) -> str:
    return PREFIX + name.upper()
