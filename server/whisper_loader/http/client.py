"""The one HTTP client of all sources but S3's: TLS, proxies, time-outs, redirects, and errors that tell no secret.

A redirect to another host is followed without the credentials: that is how registries and hubs hand over to storage,
which signs the address itself.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from whisper_contract.reasons import Reason
from whisper_loader.access import Access
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.http.errors import connection_errors, meaning, parse_retry_after
from whisper_loader.http.proxies import Proxies, Proxy

MAX_REDIRECTS = 10
#: The most of an answer that is read to see what it says; what is meant for people is shorter.
MAX_DOCUMENT = 8 << 20

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0
_CONNECTIONS = 16
_REDIRECTS = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
# What another host may see of a request. Anything else can be a credential: services name their headers as they like.
_TOLD_TO_OTHERS = frozenset(
    {"accept", "accept-encoding", "if-match", "if-none-match", "if-range", "if-unmodified-since", "range", "user-agent"}
)
_PORTS = {"http": 80, "https": 443}
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
    deadline: Deadline

    @property
    def ok(self) -> bool:
        return self.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes of the body as they came, none at the end."""
        return self._read(size, decode=False)

    def document(self) -> bytes:
        """Return the whole body, which must be small, decompressed; closes it.

        Raises:
            LoaderError: SourceUnreachable when it breaks off; UnsupportedFormat when it is longer than any document.
        """
        content = self._read(MAX_DOCUMENT + 1, decode=True)
        self.close()
        if len(content) > MAX_DOCUMENT:
            raise LoaderError(Reason.UNSUPPORTED_FORMAT, f"{self.what}: the answer is too long to be what it should be")
        return content

    def _read(self, size: int, *, decode: bool) -> bytes:
        with connection_errors(self.what, self.deadline):
            return self.body.read(size, decode_content=decode)

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
        reason, words = (hints or {}).get(self.status) or meaning(self.status)
        retry_after = parse_retry_after(self.headers.get("retry-after", ""))
        return LoaderError(reason, f"{self.what}: {words} (HTTP {self.status})", retry_after=retry_after)


class Client:
    """Asks servers. Used from several threads."""

    def __init__(self, access: Access) -> None:
        """Take proxies from the environment, and the authorities to trust from `access`.

        Raises:
            LoaderError: SpecInvalid for a CA bundle or a proxy that can't be used.
        """
        self._deadline = access.deadline
        self._tls = tls_context(access)
        self._proxies = Proxies.from_environment()
        self._direct = self._prepare(urllib3.PoolManager)
        self._proxied = {proxy: self._through(proxy) for proxy in self._proxies.by_scheme.values()}

    def get(self, url: str, what: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a GET; the caller looks at its status, and closes it.

        Args:
            url: http or https.
            what: names the source in errors, in place of the URL.
            headers: sent on to another host only as far as they are no credentials.

        Raises:
            LoaderError: SourceUnreachable; DeadlineExceeded; SpecInvalid for a redirect that may not be followed.
        """
        return self.send("GET", url, what, headers)

    def send(
        self, method: str, url: str, what: str, headers: Mapping[str, str] | None = None, body: object = None
    ) -> Answer:
        """Return the answer to a request. `body` is bytes or a file; only GET and HEAD follow redirects.

        Raises:
            LoaderError: as `get`.
        """
        # A mapping that knows no case: what the caller gives replaces what stands here.
        sent = urllib3.HTTPHeaderDict({"User-Agent": _USER_AGENT, "Accept-Encoding": "identity"})
        for name, value in (headers or {}).items():
            sent[name] = value
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._send_once(method, url, what, sent, body)
            location = answer.headers.get("location")
            if method not in ("GET", "HEAD") or answer.status not in _REDIRECTS or location is None:
                return answer
            answer.close()
            url, sent = _follow(url, location, sent, what)
        raise LoaderError(Reason.SPEC_INVALID, f"{what}: more than {MAX_REDIRECTS} redirects")

    def _send_once(self, method: str, url: str, what: str, headers: urllib3.HTTPHeaderDict, body: object) -> Answer:
        self._deadline.check()
        timeout = Timeout(
            connect=self._deadline.remaining(_CONNECT_SECONDS), read=self._deadline.remaining(_READ_SECONDS)
        )
        with connection_errors(what, self._deadline):
            response = self._manager(url).request(
                method,
                url,
                headers=headers,
                body=cast("bytes | None", body),
                timeout=timeout,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
        lower = {name.lower(): value for name, value in response.headers.itermerged()}
        return Answer(url, response.status, lower, response, what, self._deadline)

    def _manager(self, url: str) -> urllib3.PoolManager:
        proxy = self._proxies.find(url)
        return self._direct if proxy is None else self._proxied[proxy]

    def _prepare(self, manager: type[urllib3.PoolManager], **options: object) -> urllib3.PoolManager:
        # Redirects and retries are decided here and in `transfer`, where credentials and deadlines are known.
        options |= {"num_pools": _CONNECTIONS, "maxsize": _CONNECTIONS, "ssl_context": self._tls, "retries": False}
        return manager(**options)  # type: ignore[arg-type]  # a dictionary has one type of value

    def _through(self, proxy: Proxy) -> urllib3.PoolManager:
        headers = None
        if proxy.user is not None:
            headers = urllib3.make_headers(proxy_basic_auth=f"{proxy.user}:{proxy.password}")
        try:
            return self._prepare(
                urllib3.ProxyManager, proxy_url=proxy.url, proxy_headers=headers, proxy_ssl_context=self._tls
            )
        except (ValueError, HTTPError) as error:
            raise LoaderError(Reason.SPEC_INVALID, "the proxy that the environment names is not a URL") from error


def tls_context(access: Access) -> ssl.SSLContext:
    """Return whom to trust: the CA bundle's authorities, or the machine's.

    Raises:
        LoaderError: SpecInvalid.
    """
    try:
        return ssl.create_default_context(cafile=access.ca_bundle)
    except (OSError, ssl.SSLError) as error:
        raise LoaderError(
            Reason.SPEC_INVALID, f"the CA bundle {access.ca_bundle} holds no certificates in PEM form"
        ) from error


def _follow(url: str, location: str, headers: urllib3.HTTPHeaderDict, what: str) -> tuple[str, urllib3.HTTPHeaderDict]:
    """Return where a redirect leads, and the headers to send there: no credentials where that is another host."""
    try:
        target = urljoin(url, location)
        before, after = urlsplit(url), urlsplit(target)
        same = _same_host(before, after)
    except ValueError as error:
        raise LoaderError(Reason.SPEC_INVALID, f"{what}: the redirect leads to no web address") from error
    if after.scheme not in _PORTS or not after.hostname:
        raise LoaderError(Reason.SPEC_INVALID, f"{what}: the redirect leads to no web address")
    if before.scheme == "https" and after.scheme == "http":
        raise LoaderError(Reason.SPEC_INVALID, f"{what}: the redirect leads from https to http, where anyone can read")
    if same:
        return target, headers
    return target, urllib3.HTTPHeaderDict(
        {name: value for name, value in headers.items() if name.lower() in _TOLD_TO_OTHERS}
    )


def _same_host(before: SplitResult, after: SplitResult) -> bool:
    """Tell whether both are the same server, or the same name's standard ports when only TLS is added."""
    there = [(parts.scheme, parts.port or _PORTS.get(parts.scheme)) for parts in (before, after)]
    return before.hostname == after.hostname and (there[0] == there[1] or there == list(_PORTS.items()))
