"""What nobody has foreseen, brought into the form of everything else."""

import traceback

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.log import logger


def as_loader_error(error: Exception) -> LoaderError:
    """Return `error` as a LoaderError. Where it came from is logged; its text is not: it may hold a URL or a key."""
    if isinstance(error, LoaderError):
        return error
    if isinstance(error, MemoryError):
        return LoaderError(Reason.OUT_OF_MEMORY, "there was not enough memory")
    logger.error("%s", "".join(traceback.format_tb(error.__traceback__)).rstrip())
    system = f" (errno {error.errno}: {error.strerror})" if isinstance(error, OSError) and error.errno else ""
    return LoaderError(Reason.INTERNAL_ERROR, f"unexpected {type(error).__name__}{system}")
