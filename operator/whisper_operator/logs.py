"""Structured logs on standard error: one JSON object a line for machines, or plain lines for people."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

from whisper_operator.settings import Settings


def set_up(settings: Settings) -> None:
    """Send all logging there, kopf's too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json() if settings.log_format == "json" else _text())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    # kopf repeats each API request and watch there; below warnings they are of use to kopf's developers.
    logging.getLogger("kopf").setLevel(max(logging.getLogger().level, logging.WARNING))
    for noisy in ("asyncio", "aiohttp", "urllib3", "kubernetes", "leaderelection"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _json() -> logging.Formatter:
    return JsonFormatter(
        "{asctime}{levelname}{name}{message}",
        style="{",
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
    )


def _text() -> logging.Formatter:
    return logging.Formatter("{asctime} {levelname:<7} {model} {message}", style="{", defaults={"model": "-"})
