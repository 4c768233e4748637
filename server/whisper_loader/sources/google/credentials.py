"""Authorizing requests to Google's APIs: a key of the Secret, or what the machine itself has.

google-auth reads the keys, signs and exchanges them. Its own transport is left out, so that token servers are asked
with the same authorities, proxies and time-outs as everything else; the metadata server is on the machine.
"""

import json
import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import google.auth
import google.auth.transport
import requests
from google.auth import compute_engine, identity_pool
from google.auth.credentials import Credentials, with_scopes_if_required
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.auth.transport.requests import Request as MachineRequest
from google.oauth2 import credentials as oauth2
from google.oauth2 import service_account

from whisper_contract.reasons import Reason
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Client

#: The Secret's key for all of Google's services.
KEY = "key.json"

#: Returns the headers that authorize a request. Called from several threads.
Authorize = Callable[[], Mapping[str, str]]

# What may stand in a file of credentials: https://google.aip.dev/auth/4110
_READERS: dict[str, Callable[[Mapping[str, Any]], Credentials]] = {
    "service_account": service_account.Credentials.from_service_account_info,
    "external_account": identity_pool.Credentials.from_info,
    "authorized_user": oauth2.Credentials.from_authorized_user_info,
}
_MEND = "give a service account's key, or an external_account whose credential_source is a file or url"
# Files that gcloud writes too, by a word that tells them.
_UNREAD_TYPES = frozenset({"impersonated_service_account", "external_account_authorized_user", "gdch_service_account"})
_UNREAD_SOURCES = {
    "environment_id": "AWS's own keys (gcloud's --aws)",
    "executable": "a program that is run (gcloud's --executable-command)",
    "certificate": "a client certificate (gcloud's --credential-cert-path)",
}
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")


def anonymous() -> Mapping[str, str]:
    """Authorize nothing."""
    return {}


def authorize(access: Access, client: Client, scopes: Sequence[str], what: str) -> Authorize:
    """Return what authorizes requests: the Secret's key, or the machine's own credentials; nothing when told so.

    Args:
        access: where the credentials are.
        client: asks the token servers.
        scopes: what the credentials are to allow, at most.
        what: names the source in errors.

    Raises:
        LoaderError: SecretKeyMissing; Unauthorized when there are none.
    """
    if access.anonymous:
        return anonymous
    # It warns of what it did not find and repeats addresses; what matters of it arrives here as an error.
    logging.getLogger("google.auth").setLevel(logging.CRITICAL)
    if access.secret is None:
        found = _own_credentials(what)
    else:
        text = access.secret.get(KEY)
        if text is None:
            raise access.secret.missing(KEY)
        found = _read_key(text)
    return _Tokens(with_scopes_if_required(found, list(scopes)), client, what).headers


def _read_key(text: str) -> Credentials:
    try:
        info = json.loads(text)
        _check_is_read(info)
        return _READERS[info["type"]](info)
    except (GoogleAuthError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"the Secret's {KEY} is none of Google's credentials in JSON: {', '.join(_READERS)}"
        raise LoaderError(Reason.SECRET_KEY_MISSING, message) from error


def _check_is_read(info: Mapping[str, Any]) -> None:
    """Raise LoaderError SecretKeyMissing for credentials that are Google's, and of a kind that is not read here."""
    kind, source = info["type"], info.get("credential_source")
    if kind in _UNREAD_TYPES:
        raise LoaderError(
            Reason.SECRET_KEY_MISSING, f"the Secret's {KEY} is of the type {kind}, not read here: {_MEND}"
        )
    told = source.keys() if kind == "external_account" and isinstance(source, dict) else frozenset[str]()
    for word, what in _UNREAD_SOURCES.items():
        if word in told:
            message = f"the Secret's {KEY} is an external_account that takes {what}, which is not read here: {_MEND}"
            raise LoaderError(Reason.SECRET_KEY_MISSING, message)


def _own_credentials(what: str) -> Credentials:
    """https://cloud.google.com/docs/authentication/application-default-credentials."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Without scopes it looks up no project, which nothing here needs.
            found: Credentials
            found, _ = google.auth.default(request=_machine_request())
    except DefaultCredentialsError as error:
        message = (
            f"{what}: no credentials were given, and none of this machine's own can be used: give a Secret with {KEY}, "
            "or ask anonymously for what is public"
        )
        raise LoaderError(Reason.UNAUTHORIZED, message) from error
    return found


def _machine_request() -> MachineRequest:
    """What asks the metadata server, which no proxy reaches."""
    session = requests.Session()
    session.trust_env = False
    return MachineRequest(session)


class _Tokens:
    """Credentials, and the token that was got for them."""

    def __init__(self, credentials: Credentials, client: Client, what: str) -> None:
        self._credentials = credentials
        self._what = what
        self._lock = threading.Lock()
        on_machine = isinstance(credentials, compute_engine.Credentials)
        self._request = _machine_request() if on_machine else _Request(client, f"{what}: the server of tokens")

    def headers(self) -> Mapping[str, str]:
        """Return the headers, with a new token when the old one is about to expire.

        Raises:
            LoaderError: Unauthorized, SourceUnreachable.
        """
        headers: dict[str, str] = {}
        with self._lock, _token_errors(self._what):
            if not self._credentials.valid:
                self._credentials.refresh(self._request)
            self._credentials.apply(headers)
        return headers


class _Answer(google.auth.transport.Response):
    """What google-auth reads of an answer."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self._status, self._headers, self._data = status, headers, data

    @property
    def status(self) -> int:
        return self._status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers

    @property
    def data(self) -> bytes:
        return self._data


class _Request(google.auth.transport.Request):
    """Lets google-auth ask with the loader's own client."""

    def __init__(self, client: Client, what: str) -> None:
        self._client = client
        self._what = what

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002  (the client has its own)
        **_options: object,
    ) -> _Answer:
        answer = self._client.send(method, url, self._what, headers, body)
        return _Answer(answer.status, answer.headers, answer.document())


@contextmanager
def _token_errors(what: str) -> Iterator[None]:
    """Map google-auth's errors. Their own words are not repeated: they hold answers of token servers."""
    try:
        yield
    except GoogleAuthError as error:
        if error.retryable or _is_silence(error) or _is_silence(error.__cause__):
            message = f"{what}: the server of tokens gives none now ({type(error).__name__})"
            raise LoaderError(Reason.SOURCE_UNREACHABLE, message) from error
        raise LoaderError(
            Reason.UNAUTHORIZED, f"{what}: the credentials can't be exchanged for a token ({_code(error)})"
        ) from error
    except (ValueError, OSError) as error:
        message = f"{what}: the credentials can't be used ({type(error).__name__})"
        raise LoaderError(Reason.UNAUTHORIZED, message) from error


def _is_silence(error: BaseException | None) -> bool:
    """Tell whether nobody answered; an answer would stand behind the words."""
    return isinstance(error, TransportError) and len(error.args) == 1


def _code(error: GoogleAuthError) -> str:
    """OAuth's word for what is wrong (RFC 6749, section 5.2), or the kind of the error."""
    answer = error.args[-1] if error.args else None
    code = answer.get("error") if isinstance(answer, dict) else None
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else type(error).__name__
