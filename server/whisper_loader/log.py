"""What the loader says to people, on standard error.

Libraries log addresses, signed ones too, so only the loader's own words are shown.
"""

import logging
import sys

logger = logging.getLogger("whisper_loader")


def set_up() -> None:
    """Show the loader's messages and nobody else's."""
    logging.getLogger().addHandler(logging.NullHandler())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
