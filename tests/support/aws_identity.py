"""Where software on AWS gets its credentials without keys of its own: STS for a pod's token, and the pod's agent.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html and
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html; boto3 is their client here.
"""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import parse_qs

from tests.support.serving import Handler, serving

EXPIRES = "2100-01-01T00:00:00Z"
_ANSWER = """\
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>
<SessionToken>{token}</SessionToken><Expiration>{expires}</Expiration></Credentials>
<AssumedRoleUser><Arn>{role}</Arn><AssumedRoleId>models</AssumedRoleId></AssumedRoleUser>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""
_REFUSAL = """\
<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>{code}</Code><Message>no</Message></Error><RequestId>1</RequestId></ErrorResponse>"""


@dataclass
class Identity:
    """A server that hands out the keys of one user.

    Attributes:
        session_token: of the keys; empty for a store that has no session tokens, as versitygw.
        token: what whoever asks must show: a pod's token, or the agent's.
        role: that STS lets be assumed.
    """

    access_key: str
    secret_key: str
    token: str
    session_token: str = ""
    role: str = "arn:aws:iam::123456789012:role/models"
    url: str = ""
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def start(self, tls: ssl.SSLContext | None = None) -> Iterator["Identity"]:
        """Serve until the block ends."""
        with serving(_Handler, {"identity": self}, tls) as port:
            self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
            yield self


class _Handler(Handler):
    identity: ClassVar[Identity]

    def do_GET(self) -> None:
        """The pod's agent."""
        identity = self.identity
        identity.asked.append(self.path)
        if self.headers.get("Authorization") != identity.token:
            self._answer(403, "{}")
            return
        keys = {"AccessKeyId": identity.access_key, "SecretAccessKey": identity.secret_key}
        self._answer(200, json.dumps({**keys, "Token": identity.session_token, "Expiration": EXPIRES}))

    def do_POST(self) -> None:
        """STS."""
        identity = self.identity
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        asked = {name: values[0] for name, values in body.items()}
        identity.asked.append(asked["Action"])
        if asked["RoleArn"] != identity.role:
            self._answer(403, _REFUSAL.format(code="AccessDenied"))
        elif asked["WebIdentityToken"] != identity.token:
            self._answer(400, _REFUSAL.format(code="InvalidIdentityToken"))
        else:
            self._answer(200, _ANSWER.format(**self._keys(), role=identity.role))

    def _keys(self) -> dict[str, str]:
        identity = self.identity
        return {
            "key": identity.access_key,
            "secret": identity.secret_key,
            "token": identity.session_token,
            "expires": EXPIRES,
        }

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
