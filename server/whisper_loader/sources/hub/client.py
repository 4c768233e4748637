"""The Hub's own client library, reaching the network as the rest of the loader does, and the border of its errors."""

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx2
from huggingface_hub import HfApi, constants, set_client_factory
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]  # documented
from huggingface_hub.utils import logging as hub_logging

from whisper_contract.reasons import Reason
from whisper_contract.uris import HuggingFaceSource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import MAX_DOCUMENT, tls_context
from whisper_loader.http.errors import UPLOAD_MEANINGS, meaning, parse_retry_after
from whisper_loader.http.proxies import Proxies, Proxy
from whisper_loader.sources.endpoints import check_endpoint

# What the library takes: a token, False for none, None for the one that the machine is logged in with.
Token = str | bool | None

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0


def connect(access: Access) -> HfApi:
    """Return the library's door to the Hub: quiet, and with our proxies, CA bundle and time-outs.

    Raises:
        LoaderError: SpecInvalid for an endpoint, a proxy or a CA bundle that can't be used; SecretKeyMissing.
    """
    # Its warnings repeat URLs, signed ones too; what matters of them arrives here as an error.
    hub_logging.set_verbosity(logging.CRITICAL)
    disable_progress_bars()
    transport = _Transport(tls_context(access), Proxies.from_environment())
    timeout = httpx2.Timeout(
        access.deadline.remaining(_READ_SECONDS), connect=access.deadline.remaining(_CONNECT_SECONDS)
    )
    set_client_factory(
        lambda: httpx2.Client(transport=transport, trust_env=False, follow_redirects=True, timeout=timeout)
    )
    return HfApi(endpoint=check_endpoint(access.endpoint or constants.ENDPOINT), token=token_of(access))


def token_of(access: Access) -> Token:
    """Return the token to ask with; LoaderError SecretKeyMissing when there is a Secret without one."""
    if access.anonymous:
        return False
    if access.secret is None:
        return None
    token = access.secret.get("token")
    if token is None or not token.isascii() or not token.isprintable():
        raise access.secret.missing("token")
    return token


class _Transport(httpx2.BaseTransport):
    """Sends each request to its host or to the proxy that leads there."""

    def __init__(self, tls: ssl.SSLContext, proxies: Proxies) -> None:
        self._proxies = proxies
        self._direct = httpx2.HTTPTransport(verify=tls, trust_env=False)
        self._through = {
            proxy: httpx2.HTTPTransport(verify=tls, trust_env=False, proxy=_as_httpx(proxy, tls))
            for proxy in proxies.by_scheme.values()
        }

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        proxy = self._proxies.find(str(request.url))
        # The library reads answers whole: compressed, a small one could take any amount of memory.
        request.headers["Accept-Encoding"] = "identity"
        answer = (self._direct if proxy is None else self._through[proxy]).handle_request(request)
        assert isinstance(answer.stream, httpx2.SyncByteStream)  # noqa: S101  (for the type checker)
        return httpx2.Response(
            answer.status_code,
            headers=answer.headers,
            stream=_Document(answer.stream, answer.headers.get("content-encoding", "identity")),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        for transport in (self._direct, *self._through.values()):
            transport.close()


class _NoDocumentError(ValueError):
    """The body of an answer can't be a document of the Hub's; the words say why."""


class _Document(httpx2.SyncByteStream):
    """The body of an answer, which is a document or nothing of the Hub's."""

    def __init__(self, body: httpx2.SyncByteStream, encoding: str) -> None:
        self._body = body
        self._encoding = encoding

    def __iter__(self) -> Iterator[bytes]:
        if self._encoding != "identity":
            raise _NoDocumentError("the answer is encoded in a way that was not asked for (Content-Encoding)")
        length = 0
        for data in self._body:
            length += len(data)
            if length > MAX_DOCUMENT:
                raise _NoDocumentError("the answer is too long to be what it should be")
            yield data

    def close(self) -> None:
        self._body.close()


def _as_httpx(proxy: Proxy, tls: ssl.SSLContext) -> httpx2.Proxy:
    auth = None if proxy.user is None else (proxy.user, proxy.password)
    return httpx2.Proxy(proxy.url, auth=auth, ssl_context=tls if proxy.url.startswith("https:") else None)


@contextmanager
def hub_errors(source: HuggingFaceSource, *, writing: bool = False) -> Iterator[None]:
    """Map the library's errors. What it says itself is not repeated: it holds URLs, signed ones too."""
    try:
        yield
    except (HFValidationError, HfHubHTTPError) as error:
        raise _from_library(source, error, UPLOAD_STATUSES if writing else HUB_STATUSES) from error
    except httpx2.ProxyError as error:
        raise _from_proxy(source, error) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{source}: {_trouble(error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # The library takes the answers apart without looking: a captive portal's page ends it anyhow.
        why = str(error) if isinstance(error, _NoDocumentError) else type(error).__name__
        message = f"{source}: what answers there does not speak the Hub's protocol ({why})"
        raise LoaderError(Reason.SPEC_INVALID, message) from error


def _from_library(
    source: HuggingFaceSource, error: HFValidationError | HfHubHTTPError, meanings: Mapping[int, tuple[Reason, str]]
) -> LoaderError:
    match error:
        case HFValidationError():
            return LoaderError(Reason.SPEC_INVALID, f"{source}: not a repository's name")
        case GatedRepoError():
            return LoaderError(Reason.UNAUTHORIZED, f"{source}: {GATED}")
        case RepositoryNotFoundError():
            sentence = "there is no such repository, or it is private and the token may not see it"
            return LoaderError(Reason.SOURCE_NOT_FOUND, f"{source}: {sentence}")
        case RevisionNotFoundError():
            return LoaderError(Reason.SOURCE_NOT_FOUND, f"{source}: there is no such revision in the repository")
        case RemoteEntryNotFoundError():
            return LoaderError(Reason.SOURCE_CHANGED, f"{source}: a file that was listed is gone")
    status = error.response.status_code
    reason, words = meanings.get(status) or meaning(status)
    retry_after = parse_retry_after(error.response.headers.get("retry-after", ""))
    return LoaderError(reason, f"{source}: {words} ({status})", retry_after=retry_after)


GATED = "the repository is gated and this token may not read it"
_NO_TOKEN = (Reason.UNAUTHORIZED, "the Hub refused the token")
#: What the statuses mean when the Hub itself answers with them.
HUB_STATUSES: dict[int, tuple[Reason, str]] = {
    401: _NO_TOKEN,
    403: _NO_TOKEN,
    404: (Reason.SOURCE_NOT_FOUND, "the Hub knows nothing by this name"),
    **dict.fromkeys((429, 500, 502, 503, 504), (Reason.SOURCE_UNREACHABLE, "the Hub is overloaded or broken")),
}
#: And when it was to be written to.
UPLOAD_STATUSES = {
    **HUB_STATUSES,
    **UPLOAD_MEANINGS,
    401: _NO_TOKEN,
    403: (Reason.UNAUTHORIZED, "this token may not write there, or the space of its account is used up"),
}


def _from_proxy(source: HuggingFaceSource, error: httpx2.ProxyError) -> LoaderError:
    # httpx2 has no more than the proxy's status line: "407 Proxy Authentication Required".
    status = str(error).partition(" ")[0]
    if status == "407":
        reason, words = meaning(int(status))
        return LoaderError(reason, f"{source}: {words} (HTTP {status})")
    return LoaderError(Reason.SOURCE_UNREACHABLE, f"{source}: the proxy does not connect to the Hub")


def _trouble(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its TLS certificate is not trusted ({cause.verify_message}); --ca-bundle names other authorities"
        cause = cause.__cause__ or cause.__context__
    return f"no connection ({type(error).__name__})"
