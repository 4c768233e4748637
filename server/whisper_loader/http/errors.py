"""The border where an HTTP client's errors, and the statuses of servers, become the loader's."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError, ProxyError, SSLError
from urllib3.exceptions import TimeoutError as HTTPTimeoutError

from whisper_contract.reasons import Reason
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError

_MAX_RETRY_AFTER_SECONDS = 120.0
_REFUSED = (Reason.UNAUTHORIZED, "these credentials, or none, may not read it")
_ABSENT = (Reason.SOURCE_NOT_FOUND, "there is nothing at this address")
_REPLACED = (Reason.SOURCE_CHANGED, "it was replaced while it was being read")
_MEANINGS: dict[int, tuple[Reason, str]] = {
    HTTPStatus.UNAUTHORIZED: _REFUSED,
    HTTPStatus.FORBIDDEN: _REFUSED,
    HTTPStatus.NOT_FOUND: _ABSENT,
    HTTPStatus.GONE: _ABSENT,
    HTTPStatus.PRECONDITION_FAILED: _REPLACED,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: _REPLACED,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: (
        Reason.SPEC_INVALID,
        "the proxy wants other credentials: give them as http://user:password@proxy:port",
    ),
    HTTPStatus.REQUEST_TIMEOUT: (Reason.SOURCE_UNREACHABLE, "the server waited too long"),
    HTTPStatus.TOO_MANY_REQUESTS: (Reason.SOURCE_UNREACHABLE, "the server has too many requests"),
}
_NOT_WRITABLE = (Reason.UNAUTHORIZED, "these credentials, or none, may not write there")
_MOVED = (Reason.SPEC_INVALID, "the server sends uploads elsewhere: name that address")
_FINAL = (Reason.SPEC_INVALID, "what is there may not be replaced: push under another name")
#: What the statuses mean when something was to be written.
UPLOAD_MEANINGS: dict[int, tuple[Reason, str]] = {
    **dict.fromkeys((301, 302, 303, 307, 308), _MOVED),
    401: _NOT_WRITABLE,
    403: _NOT_WRITABLE,
    405: (Reason.SPEC_INVALID, "nothing can be written there: the server only reads"),
    409: _FINAL,
    412: _FINAL,
    413: (Reason.SPEC_INVALID, "it is larger than the server takes"),
    423: _FINAL,
    501: (Reason.SPEC_INVALID, "the server knows no such way to write"),
    507: (Reason.OUT_OF_SPACE, "the server has no room for it"),
}
# How http.client says that a proxy did not answer CONNECT with 200.
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")


def meaning(status: int) -> tuple[Reason, str]:
    """Return reason and words for a status that is no success, where the protocol says no more than HTTP does."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Reason.SOURCE_UNREACHABLE, "the server failed"
    return _MEANINGS.get(status, (Reason.SPEC_INVALID, "the server refused the request"))


def parse_retry_after(value: str) -> float | None:
    """Return the seconds that a Retry-After header asks for, at most two minutes; None when it says nothing.

    https://www.rfc-editor.org/rfc/rfc9110#name-retry-after: seconds, or a date.
    """
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), _MAX_RETRY_AFTER_SECONDS)
    try:
        seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_SECONDS)


@contextmanager
def connection_errors(what: str, deadline: Deadline) -> Iterator[None]:
    """Map what urllib3 raises. Its own words are not repeated: they hold URLs, signed ones too.

    Raises:
        LoaderError: DeadlineExceeded when time is over, whatever happened; SourceUnreachable; SpecInvalid.
    """
    try:
        yield
    except (HTTPError, OSError, ValueError) as error:
        deadline.check()
        raise _mapped(what, error) from error


def _mapped(what: str, error: Exception) -> LoaderError:
    if isinstance(error, LocationParseError):
        return LoaderError(Reason.SPEC_INVALID, f"{what}: the address is not a URL")
    if isinstance(error, ProxyError):
        return _from_proxy(what, error)
    if isinstance(error, HTTPError):
        return LoaderError(Reason.SOURCE_UNREACHABLE, f"{what}: {_trouble(error)}")
    return LoaderError(Reason.SOURCE_UNREACHABLE, f"{what}: no connection ({type(error).__name__})")


def _from_proxy(what: str, error: ProxyError) -> LoaderError:
    refused = _TUNNEL_REFUSED.search(str(error.original_error))
    if refused is None:
        return LoaderError(Reason.SOURCE_UNREACHABLE, f"{what}: the proxy does not answer")
    status = int(refused[1])
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        reason, words = meaning(status)
        return LoaderError(reason, f"{what}: {words} (HTTP {status})")
    return LoaderError(Reason.SOURCE_UNREACHABLE, f"{what}: the proxy does not connect to it (HTTP {status})")


def _trouble(error: HTTPError) -> str:
    if isinstance(error, SSLError):
        return _tls_trouble(error)
    if isinstance(error, NewConnectionError):
        return "nothing answers there, or its name is not known"
    if isinstance(error, HTTPTimeoutError):
        return "no answer in time"
    return f"the connection broke off ({type(error).__name__})"


def _tls_trouble(error: SSLError) -> str:
    cause = error.args[0] if error.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its TLS certificate is not trusted ({cause.verify_message}); --ca-bundle names other authorities"
    return "no TLS connection: the port speaks another protocol, or a version that is too old"
