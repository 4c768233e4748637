"""Google's servers of tokens on this machine: for service accounts, federated identities, and people.

The token server takes a service account's JWT only with the signature, issuer, audience and times that
https://developers.google.com/identity/protocols/oauth2/service-account asks for; another provider's token as
https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token has it, and a person's refresh token as
https://developers.google.com/identity/protocols/oauth2/web-server#offline.
"""

import base64
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ACCOUNT = "reader@project.iam.gserviceaccount.com"
_AUDIENCE = "https://oauth2.googleapis.com/token"  # whatever the key's token_uri says
#: Where a person's refresh token is exchanged, whatever stands beside it.
TOKEN_HOST = "oauth2.googleapis.com"
_LIFETIME_SECONDS = 3600
_POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster"
_JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
_ACCESS_TYPE = "urn:ietf:params:oauth:token-type:access_token"
_CLOUD = "https://www.googleapis.com/auth/cloud-platform"
#: Where a federated identity gets the tokens of the service account that it may act as.
IMPERSONATION = f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"


@dataclass
class Tokens:
    """Who may read, and the tokens that are valid.

    Attributes:
        key: of the one service account that is known.
        valid: tokens by scope.
        refusing: OAuth's error that every exchange is answered with.
        subject: the token of another provider (a cluster's, for a pod) that is known.
        refresh: the refresh token of the one person who is known.
    """

    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    valid: dict[str, str] = field(default_factory=dict)
    refusing: str | None = None
    subject: str = field(default_factory=lambda: f"subject-{secrets.token_hex(8)}")
    refresh: str = field(default_factory=lambda: f"1//{secrets.token_hex(8)}")

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

    def federated_json(self, endpoint: str, subject_file: Path, *, impersonates: bool) -> str:
        """Return what `gcloud iam workload-identity-pools create-cred-config` writes; no secret stands in it."""
        acts_as = {"service_account_impersonation_url": f"{endpoint}{IMPERSONATION}"} if impersonates else {}
        return json.dumps(
            {
                "type": "external_account",
                "audience": _POOL,
                "subject_token_type": _JWT_TYPE,
                "token_url": f"{endpoint}/token",
                "credential_source": {"file": str(subject_file)},
                **acts_as,
            }
        )

    def user_json(self) -> str:
        """Return what `gcloud auth application-default login` leaves in a person's home."""
        client = {"client_id": "1.apps.example", "client_secret": "d-1"}
        return json.dumps({"type": "authorized_user", "refresh_token": self.refresh, **client})

    def exchange(self, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Return status and body for what is offered in exchange for a token."""
        if self.refusing is not None:
            return 400, {"error": self.refusing, "error_description": "refused"}
        match form:
            case {"grant_type": "refresh_token"}:
                known, scope = form["refresh_token"] == self.refresh, form.get("scope", _CLOUD)
            case {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"}:
                known = (form["subject_token"], form["audience"]) == (self.subject, _POOL)
                scope = form["scope"]
            case _:
                return self._exchange_assertion(form["assertion"])
        if not known:
            return 400, {"error": "invalid_grant", "error_description": "not known"}
        return 200, {**self.grant(scope), "issued_token_type": _ACCESS_TYPE}

    def impersonate(self, authorization: str | None, scopes: Sequence[str]) -> tuple[int, dict[str, Any]]:
        """Return status and body for a federated identity that wants to act as the service account."""
        if self.scope_of(authorization) not in (_CLOUD, "https://www.googleapis.com/auth/iam"):
            return 403, {"error": {"code": 403, "message": "denied", "status": "PERMISSION_DENIED"}}
        ends = datetime.now(UTC) + timedelta(seconds=_LIFETIME_SECONDS)
        token = self.grant(" ".join(scopes))["access_token"]
        return 200, {"accessToken": token, "expireTime": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}

    def _exchange_assertion(self, assertion: str) -> tuple[int, dict[str, Any]]:
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
