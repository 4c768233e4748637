"""The credentials that a Secret holds for a URL: a token, a user and a password, or whole header lines."""

import base64
import re

from whisper_contract.reasons import Reason
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.secrets import SecretFolder

_KEYS = "token, or username and password, or headers"
# https://www.rfc-editor.org/rfc/rfc9110#name-fields
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\x20-\x7e]+")
# What this loader says itself, or what frames the message: a line of the Secret would break the transfer.
_OWN = frozenset(
    {
        *("accept-encoding", "connection", "content-length", "expect", "host", "if-match", "if-range"),
        *("if-unmodified-since", "proxy-authorization", "range", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)


def request_headers(access: Access) -> dict[str, str]:
    """Return the headers that carry the Secret's credentials; none without a Secret or when `access` is anonymous.

    Raises:
        LoaderError: SecretKeyMissing when the Secret has no key for a URL, or one that can't be sent.
    """
    if access.secret is None or access.anonymous:
        return {}
    found = {**_lines(access.secret), **_authorization(access.secret)}
    if not found:
        raise access.secret.missing(_KEYS)
    return found


def _authorization(secret: SecretFolder) -> dict[str, str]:
    token, user, password = secret.get("token"), secret.get("username"), secret.get("password")
    if token is not None:
        return {"Authorization": f"Bearer {_sendable('token', token)}"}
    if user is None and password is None:
        return {}
    if user is None or password is None or ":" in user:
        raise secret.missing("username (without a colon) and password")
    # https://www.rfc-editor.org/rfc/rfc7617#section-2.1
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def _lines(secret: SecretFolder) -> dict[str, str]:
    lines = (secret.get("headers") or "").splitlines()
    return dict(_parse(number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _parse(number: int, line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not _NAME.fullmatch(name):
        raise _unusable(f"line {number} of headers is not `Name: value`")
    if name.lower() in _OWN:
        raise _unusable(f"line {number} of headers sets {name}, which is the loader's to say")
    return name, _sendable(f"line {number} of headers", value.strip())


def _sendable(what: str, value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise _unusable(f"{what} holds nothing, or characters that no header carries")
    return value


def _unusable(sentence: str) -> LoaderError:
    return LoaderError(Reason.SECRET_KEY_MISSING, f"the Secret can't be used: {sentence}")
