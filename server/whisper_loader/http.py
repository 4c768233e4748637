"""The one HTTP client of all sources but S3's: TLS, proxies, time-outs, redirects, and errors that tell no secret.

Proxies come from HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as everywhere. A redirect to another host is followed without
the credentials: that is how registries and hubs hand over to storage, which signs the address itself.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import cast
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as HTTPTimeoutError
from urllib3.util import Timeout

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.sources.base import Access

MAX_REDIRECTS = 10
#: The most of an answer that is read to see what it says; what is meant for people is shorter.
MAX_DOCUMENT = 8 << 20

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0
_CONNECTIONS = 16
_MAX_RETRY_AFTER_SECONDS = 120.0
_REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
_USER_AGENT = "whisper-operator"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said; the body is read from `read`, or not at all.

    Attributes:
        url: that answered, after redirects. It may be signed: never show it.
        headers: by lower-case name.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: urllib3.BaseHTTPResponse
    what: str

    @property
    def ok(self) -> bool:
        return self.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes of the body as they came, none at the end."""
        with connection_errors(self.what):
            return self.body.read(size, decode_content=False)

    def document(self) -> bytes:
        """Return the whole body, which must be small, decompressed; closes it.

        Raises:
            LoaderError: SourceUnreachable when it breaks off; UnsupportedFormat when it is longer than any document.
        """
        with connection_errors(self.what):
            content = self.body.read(MAX_DOCUMENT + 1, decode_content=True)
        self.close()
        if len(content) > MAX_DOCUMENT:
            raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{self.what}: the answer is too long to be what it should be")
        return content

    def close(self) -> None:
        """Give the connection back; one with a body that was not read to its end is closed."""
        self.body.close()
        self.body.release_conn()

    def failure(self, hints: Mapping[int, tuple[Reason, str]] | None = None) -> LoaderError:
        """Return what a status that is no success means, and close the answer.

        Args:
            hints: reason and words for the statuses of which the protocol says more than HTTP does.
        """
        self.close()
        reason, words = (hints or {}).get(self.status) or _meaning(self.status)
        return LoaderError(reason, f"{self.what}: {words} (HTTP {self.status})", retry_after=self._retry_after())

    def _retry_after(self) -> float | None:
        """https://www.rfc-editor.org/rfc/rfc9110#name-retry-after: seconds, or a date."""
        value = self.headers.get("retry-after", "").strip()
        if value.isdecimal():
            return min(float(value), _MAX_RETRY_AFTER_SECONDS)
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
        return min(max(seconds, 0.0), _MAX_RETRY_AFTER_SECONDS)


def _meaning(status: int) -> tuple[Reason, str]:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED):
        return Reason.UNAUTHORIZED, "these credentials, or none, may not read it"
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return Reason.SOURCE_NOT_FOUND, "there is nothing at this address"
    if status in (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
        return Reason.SOURCE_CHANGED, "it was replaced while it was being read"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Reason.SOURCE_UNREACHABLE, "the server has too many requests"
    if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Reason.SOURCE_UNREACHABLE, "the server failed"
    return Reason.SPEC_INVALID, "the server refused the request"


class Client:
    """Asks servers. Used from several threads."""

    def __init__(self, access: Access) -> None:
        """Take proxies from the environment, and the authorities to trust from `access`.

        Raises:
            LoaderError: SpecInvalid for a CA bundle or a proxy that can't be used.
        """
        self._deadline = access.deadline
        context = _tls(access)
        # Redirects and retries are decided here and in `transfer`, where credentials and deadlines are known.
        options = {"num_pools": _CONNECTIONS, "maxsize": _CONNECTIONS, "ssl_context": context, "retries": False}
        self._direct = urllib3.PoolManager(**options)  # type: ignore[arg-type]  # a dictionary has one type of value
        self._proxies = {
            scheme: _proxy(address, options) for scheme, address in getproxies().items() if scheme in ("http", "https")
        }

    def get(self, url: str, what: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a GET; the caller looks at its status, and closes it.

        Args:
            url: http or https.
            what: names the source in errors, in place of the URL.
            headers: sent on to another host only as far as they are no credentials.

        Raises:
            LoaderError: SourceUnreachable; SpecInvalid for a redirect that may not be followed.
        """
        return self.send("GET", url, what, headers)

    def send(
        self, method: str, url: str, what: str, headers: Mapping[str, str] | None = None, body: object = None
    ) -> Answer:
        """Return the answer to a request. `body` is bytes or a file; only GET and HEAD follow redirects.

        Raises:
            LoaderError: as `get`.
        """
        sent = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity", **(headers or {})}
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._send_once(method, url, what, sent, body)
            location = answer.headers.get("location")
            if method not in ("GET", "HEAD") or answer.status not in _REDIRECTS or location is None:
                return answer
            answer.close()
            target = urljoin(url, location)
            sent = _headers_for(url, target, sent, what)
            url = target
        raise LoaderError(Reason.SPEC_INVALID, f"{what}: more than {MAX_REDIRECTS} redirects")

    def _send_once(self, method: str, url: str, what: str, headers: Mapping[str, str], body: object) -> Answer:
        timeout = Timeout(
            connect=self._deadline.remaining(_CONNECT_SECONDS), read=self._deadline.remaining(_READ_SECONDS)
        )
        with connection_errors(what):
            response = self._pool(url).request(
                method,
                url,
                headers=headers,
                body=cast("bytes | None", body),
                timeout=timeout,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        lower = {name.lower(): value for name, value in response.headers.items()}
        return Answer(url, response.status, lower, response, what)

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        proxy = self._proxies.get(parts.scheme)
        return self._direct if proxy is None or proxy_bypass(parts.netloc) else proxy


def _tls(access: Access) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=access.ca_bundle)
    except (OSError, ssl.SSLError) as error:
        raise LoaderError(
            Reason.SPEC_INVALID, f"the CA bundle {access.ca_bundle} holds no certificates in PEM form"
        ) from error


def _proxy(address: str, options: dict[str, object]) -> urllib3.ProxyManager:
    parts = urlsplit(address if "://" in address else f"http://{address}")
    credentials = f"{parts.username or ''}:{parts.password or ''}" if parts.username else None
    headers = urllib3.make_headers(proxy_basic_auth=credentials) if credentials else None
    url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    try:
        return urllib3.ProxyManager(url, proxy_headers=headers, **options)  # type: ignore[arg-type]  # as above
    except (ValueError, HTTPError) as error:
        raise LoaderError(Reason.SPEC_INVALID, "the proxy that the environment names is not a URL") from error


def _headers_for(url: str, target: str, headers: Mapping[str, str], what: str) -> dict[str, str]:
    """Return the headers to send on, without credentials where the redirect leads elsewhere."""
    before, after = urlsplit(url), urlsplit(target)
    if after.scheme not in ("http", "https") or not after.hostname:
        raise LoaderError(Reason.SPEC_INVALID, f"{what}: the redirect leads to no web address")
    if before.scheme == "https" and after.scheme == "http":
        raise LoaderError(Reason.SPEC_INVALID, f"{what}: the redirect leads from https to http, where anyone can read")
    same = (before.scheme, before.netloc) == (after.scheme, after.netloc)
    return {name: value for name, value in headers.items() if same or name.lower() not in _CREDENTIALS}


@contextmanager
def connection_errors(what: str) -> Iterator[None]:
    """Map what urllib3 raises. Its own words are not repeated: they hold URLs, signed ones too."""
    try:
        yield
    except LocationParseError as error:
        raise LoaderError(Reason.SPEC_INVALID, f"{what}: the address is not a URL") from error
    except HTTPError as error:
        raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{what}: {_trouble(error)}") from error
    except (OSError, ValueError) as error:
        raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{what}: no connection ({type(error).__name__})") from error


def _trouble(error: HTTPError) -> str:
    cause = getattr(error, "reason", None) or error
    if isinstance(error, SSLError) or isinstance(cause, ssl.SSLError):
        return "the TLS certificate is not trusted (a CA bundle can be given), or the port speaks no TLS"
    if isinstance(error, NewConnectionError):
        return "nothing answers there, or its name is not known"
    if isinstance(error, HTTPTimeoutError):
        return "no answer in time"
    return f"the connection broke off ({type(error).__name__})"
