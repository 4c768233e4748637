"""What the loader says to people, on standard error.

Libraries log addresses, signed ones too, so only the loader's own words are shown.
"""

import logging
import sys

from whisper_loader.errors import printable

logger = logging.getLogger("whisper_loader")


class _Formatter(logging.Formatter):
    """Writes lines that no terminal obeys: some quote addresses, which hold what their authors like."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(printable, super().format(record).split("\n")))


def set_up() -> None:
    """Show the loader's messages and nobody else's."""
    logging.getLogger().addHandler(logging.NullHandler())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(message)s"))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
