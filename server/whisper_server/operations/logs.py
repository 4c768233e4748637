"""Logs to standard error, as JSON or text, every line with the id of the request that it belongs to.

At info level and above nothing of the audio or the text of a request is ever logged.
"""

import logging
import logging.config
from contextvars import ContextVar

#: Id of the request that the current task works for; empty outside of one.
request_id: ContextVar[str] = ContextVar("request_id", default="")

#: Name of who called, as the file of tokens has it; empty when it has none.
caller_name: ContextVar[str] = ContextVar("caller_name", default="")

_TEXT = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"
_JSON = "%(levelname)s %(name)s %(message)s"


class RequestIdFilter(logging.Filter):
    """Adds `request_id`, and `caller` where it is known, to records that are written while a request is served."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True, always: it only adds."""
        if current := request_id.get():
            record.request_id = current
        if caller := caller_name.get():
            record.caller = caller
        return True


class CallerGoneFilter(logging.Filter):
    """Leaves out gRPC's error that an answer reached nobody: its caller had gone a moment before, as callers may.

    The call's own line says how it ended. The words are those of `grpc/_cython/_cygrpc/aio/server.pyx.pxi`.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record tells of anything else."""
        return not str(record.msg).startswith("ExecuteBatchError raised in core by servicer method")


def configure_logging(log_format: str, level: str) -> None:
    """Send every logger's records to standard error in the format `json` or `text`, from `level` on."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"request_id": {"()": RequestIdFilter}, "caller_gone": {"()": CallerGoneFilter}},
            "formatters": {
                "text": {"()": "logging.Formatter", "fmt": _TEXT, "defaults": {"request_id": "-"}},
                "json": {
                    "()": "pythonjsonlogger.json.JsonFormatter",
                    "format": _JSON,
                    "rename_fields": {"levelname": "level", "name": "logger"},
                    "timestamp": "time",
                },
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": log_format, "filters": ["request_id"]}
            },
            "root": {"handlers": ["stderr"], "level": level.upper()},
            "loggers": {
                # faster-whisper tells at info level what it does with each request: for people who debug.
                "faster_whisper": {"level": "DEBUG" if level == "debug" else "WARNING"},
                "grpc._cython.cygrpc": {"filters": ["caller_gone"]},
                # It warns of what stands behind a form's end, which anybody may send.
                "python_multipart": {"level": "ERROR"},
            },
        }
    )
