"""Keeps a registry's Authorization header: made when the registry asks for one, and anew when it has run out."""

import json
import threading
from urllib.parse import urlencode, urlsplit

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer, Client
from whisper_loader.sources.oci.challenge import Challenge, parse_challenge
from whisper_loader.sources.oci.credentials import Credentials
from whisper_loader.sources.oci.errors import registry_error

_CLIENT_ID = "whisper-operator"


class Login:
    """The state of being logged in at one registry. Used from several threads."""

    def __init__(self, client: Client, credentials: Credentials | None, what: str, *, encrypted: bool) -> None:
        """`encrypted` tells whether the registry speaks TLS: its token server must do so too then."""
        self._client = client
        self._credentials = credentials
        self._what = what
        self._encrypted = encrypted
        self._lock = threading.Lock()
        self.header: str | None = None

    @property
    def has_credentials(self) -> bool:
        return self._credentials is not None

    def renew(self, refused: str | None, challenge_header: str) -> bool:
        """Answer a challenge to a request that was sent with the header `refused`; tell whether to send it again.

        Raises:
            LoaderError: Unauthorized and SourceUnreachable, of the token server.
        """
        challenge = parse_challenge(challenge_header)
        if challenge is None:
            return False
        with self._lock:
            # Another thread may have been faster.
            if self.header == refused:
                self.header = self._answer(challenge)
            return self.header not in (None, refused)

    def _answer(self, challenge: Challenge) -> str | None:
        credentials = self._credentials
        if credentials is not None and credentials.registry_token is not None:
            return f"Bearer {credentials.registry_token}"
        if challenge.scheme == "basic":
            return None if credentials is None else credentials.basic
        return f"Bearer {self._token(challenge)}"

    def _token(self, challenge: Challenge) -> str:
        self._check_realm(challenge.realm)
        what = f"{self._what}: the registry's token server"
        answer = self._ask(challenge, what)
        if not answer.ok:
            raise registry_error(answer, has_credentials=self.has_credentials)
        try:
            document = json.loads(answer.document())
            token = document.get("token") or document["access_token"]
        except (ValueError, AttributeError, KeyError, RecursionError) as error:
            raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{what} answers with no token") from error
        return str(token)

    def _ask(self, challenge: Challenge, what: str) -> Answer:
        credentials = self._credentials
        if credentials is None:
            return self._client.get(challenge.token_url, what)
        if credentials.identity_token is None:
            return self._client.get(challenge.token_url, what, {"Authorization": credentials.basic})
        form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", credentials.identity_token),
            ("client_id", _CLIENT_ID),
            *challenge.parameters,
        ]
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._client.send("POST", challenge.realm, what, headers, urlencode(form).encode())

    def _check_realm(self, realm: str) -> None:
        try:
            parts = urlsplit(realm)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LoaderError(Reason.SOURCE_UNREACHABLE, f"{self._what}: the registry names no token server")
        if self._encrypted and parts.scheme != "https":
            raise LoaderError(
                Reason.SPEC_INVALID, f"{self._what}: the registry's token server is at http://, where anyone can read"
            )
