"""A token server as registries have them, whose tokens a real registry verifies.

https://distribution.github.io/distribution/spec/auth/token/, https://distribution.github.io/distribution/spec/auth/jwt/
and, for the exchange of a refresh token, https://distribution.github.io/distribution/spec/auth/oauth/.
"""

import base64
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from tests.support.serving import Handler, serving

_ISSUER = "tests"
_SERVICE = "models"
#: docker-registry takes a token for this much longer than it says.
LEEWAY_SECONDS = 60


@dataclass
class TokenServer:
    """A token server that runs.

    Attributes:
        basic: Authorization headers to accept.
        refresh_tokens: identity tokens to accept.
        anonymous: whether anybody gets a token to pull with.
        seconds: for how long the registry takes a token.
        status: answered in place of a token, when set.
        asked: the scopes that tokens were asked for.
    """

    folder: Path
    url: str = ""
    basic: set[str] = field(default_factory=set)
    refresh_tokens: set[str] = field(default_factory=set)
    anonymous: bool = False
    seconds: int = 300
    status: int | None = None
    asked: list[str] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _ISSUER)])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, self._key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self._bundle = self.folder / "tokens.pem"
        self._bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    @classmethod
    @contextmanager
    def start(cls, folder: Path) -> Iterator["TokenServer"]:
        """Serve on a free port until the block ends."""
        tokens = cls(folder)
        with serving(_Handler, {"tokens": tokens}) as port:
            tokens.url = f"http://127.0.0.1:{port}/token"
            yield tokens

    @property
    def settings(self) -> dict[str, Any]:
        """What the registry must know to verify tokens."""
        return {"realm": self.url, "service": _SERVICE, "issuer": _ISSUER, "rootcertbundle": str(self._bundle)}

    def token(self, scopes: list[str]) -> str:
        """Return a signed token that allows `scopes`."""
        now = int(time.time())
        der = self._certificate.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        claims = {
            "iss": _ISSUER,
            "sub": "",
            "aud": _SERVICE,
            "exp": now + self.seconds - LEEWAY_SECONDS,
            "nbf": now - 2 * LEEWAY_SECONDS,
            "iat": now,
            "jti": secrets.token_hex(8),
            "access": [_access(scope) for scope in scopes],
        }
        signed = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"
        numbers = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        token = f"{signed}.{_encoded(b''.join(number.to_bytes(32) for number in numbers))}"
        self.issued.append(token)
        return token


class _Handler(Handler):
    tokens: ClassVar[TokenServer]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        authorization = self.headers.get("Authorization")
        admitted = authorization in self.tokens.basic if authorization else self.tokens.anonymous
        self._answer(parse_qs(urlsplit(self.path).query), "token", admitted=admitted)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        known = form["grant_type"] == ["refresh_token"] and form["refresh_token"][0] in self.tokens.refresh_tokens
        self._answer(form, "access_token", admitted=known and "client_id" in form)

    def _answer(self, asked: dict[str, list[str]], key: str, *, admitted: bool) -> None:
        scopes = asked.get("scope", [])
        self.tokens.asked += scopes
        status = self.tokens.status or (200 if admitted and asked.get("service") == [_SERVICE] else 401)
        body = {key: self.tokens.token(scopes)} if status == 200 else {"errors": [{"code": "UNAUTHORIZED"}]}
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _access(scope: str) -> dict[str, Any]:
    kind, name, actions = scope.split(":")
    return {"type": kind, "name": name, "actions": actions.split(",")}


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
