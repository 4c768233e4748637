"""The URL of a service."""

from urllib.parse import urlsplit

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError


def check_endpoint(endpoint: str) -> str:
    """Return `endpoint` without a trailing slash.

    Raises:
        LoaderError: SpecInvalid when it is no plain http(s) URL; the message repeats nothing of it but the host.
    """
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise LoaderError(Reason.SPEC_INVALID, "the endpoint is not a URL") from error
    if parts.scheme not in ("http", "https") or not host:
        raise LoaderError(Reason.SPEC_INVALID, "the endpoint must be a URL like https://host:port")
    if parts.username is not None or parts.query or parts.fragment:
        raise LoaderError(
            Reason.SPEC_INVALID, f"the endpoint at {host} may not carry credentials or a query: give keys in a Secret"
        )
    return endpoint.rstrip("/")
