"""How much of a listing is read: a model has a few files, and a bucket's root can hold millions."""

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError

MAX_LISTED = 100_000


def check_listed(count: int, what: str) -> None:
    """Raise LoaderError UnsupportedFormat when `count` files are more than any folder of a model holds."""
    if count > MAX_LISTED:
        message = f"{what}: more than {MAX_LISTED} objects are right below this prefix: name the folder of the model"
        raise LoaderError(Reason.UNSUPPORTED_FORMAT, message)
