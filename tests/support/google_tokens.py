"""Google's servers of tokens on this machine: for service accounts, and the metadata server of a machine in its cloud.

The token server takes a service account's JWT only with the signature, issuer, audience and times that
https://developers.google.com/identity/protocols/oauth2/service-account asks for.
"""

import base64
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ACCOUNT = "reader@project.iam.gserviceaccount.com"
_AUDIENCE = "https://oauth2.googleapis.com/token"  # whatever the key's token_uri says
_LIFETIME_SECONDS = 3600


@dataclass
class Tokens:
    """Who may read, and the tokens that are valid.

    Attributes:
        key: of the one service account that is known.
        valid: tokens by scope.
        refusing: OAuth's error that every exchange is answered with.
    """

    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    valid: dict[str, str] = field(default_factory=dict)
    refusing: str | None = None

    def key_json(self, endpoint: str, key: rsa.RSAPrivateKey | None = None) -> str:
        """Return the file that Google gives to the owner of a service account."""
        pem = (key or self.key).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "project",
                "private_key_id": "1",
                "private_key": pem.decode(),
                "client_email": ACCOUNT,
                "client_id": "1",
                "token_uri": f"{endpoint}/token",
            }
        )

    def exchange(self, assertion: str) -> tuple[int, dict[str, Any]]:
        """Return status and body for a JWT."""
        if self.refusing is not None:
            return 400, {"error": self.refusing, "error_description": "refused"}
        claims = self._verified(assertion)
        now = time.time()
        if claims is None or claims["iss"] != ACCOUNT or claims["aud"] != _AUDIENCE:
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        if not now - _LIFETIME_SECONDS <= claims["iat"] <= now + 10 or not now < claims["exp"]:
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT: it must be a short-lived token."}
        return 200, self.grant(claims["scope"])

    def grant(self, scope: str) -> dict[str, Any]:
        """Return a new token for `scope`."""
        token = f"ya29.{secrets.token_hex(16)}"
        self.valid[token] = scope
        return {"access_token": token, "expires_in": _LIFETIME_SECONDS - 1, "token_type": "Bearer"}

    def scope_of(self, authorization: str | None) -> str | None:
        """Return what a request's Authorization allows; None for an unknown one."""
        return self.valid.get((authorization or "").removeprefix("Bearer "))

    def _verified(self, assertion: str) -> dict[str, Any] | None:
        signed, _, signature = assertion.rpartition(".")
        try:
            self.key.public_key().verify(_decode(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return None
        claims: dict[str, Any] = json.loads(_decode(signed.partition(".")[2]))
        return claims


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
