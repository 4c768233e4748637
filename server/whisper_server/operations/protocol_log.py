"""What the web servers of this process say of themselves, without what strangers sent them."""

import logging

from aiohttp.http_exceptions import HttpProcessingError

_log = logging.getLogger(__name__)


def protocol_log() -> logging.Logger:
    """Return the log for a web server, which would write whatever came that is no HTTP, with a traceback."""
    _log.addFilter(_without_content)  # The same one is added once.
    return _log


def _without_content(record: logging.LogRecord) -> bool:
    """Tell in a line, and not as an error of ours, that what came was no HTTP; a token may have been in it."""
    trouble = record.exc_info[1] if record.exc_info else None
    if isinstance(trouble, HttpProcessingError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args, record.exc_info = (
            "what came was no request of HTTP: %s",
            (type(trouble).__name__,),
            None,
        )
    return True
