"""Bearer tokens (https://www.rfc-editor.org/rfc/rfc6750): who may call, by a file that may change at any time."""

import hashlib
import hmac
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

from whisper_server.errors import UnauthenticatedError
from whisper_server.operations.metrics import Metrics
from whisper_server.security.mounted import ChangeNotice, MountedFileError, read_file

_SCHEME = "bearer"
#: `b64token` of RFC 6750, section 2.1: it holds no colon, so that a name may stand before it.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_NAME = re.compile(r"[A-Za-z0-9._@ -]{1,64}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Token:
    """A known token.

    Attributes:
        name: of its holder, for the log; empty when the file gives none.
        digest: sha256 of the token: equal lengths for a comparison in constant time, and no secret in memory.
    """

    name: str
    digest: bytes = field(repr=False)


class Tokens:
    """The tokens of a file, one a line, each with the name of its holder and a colon before it if one likes.

    Empty lines and those that begin with # say nothing. While the file is not as it should be, the tokens that it held
    before still hold, and the log says why.
    """

    def __init__(self, path: Path, metrics: Metrics) -> None:
        """Read the file; MountedFileError when it holds no tokens."""
        self._path = path
        self._failures = metrics.reload_failures.labels("tokens")
        self._notice = ChangeNotice((path,))
        self._notice.changed()
        self._tokens = _read(path)

    def check(self, authorization: str | None) -> str:
        """Return the name of who brings `authorization`, the header or metadata of that name; it may be empty.

        Raises:
            UnauthenticatedError: when it holds no token, or none that is known.
        """
        self._refresh()
        if not authorization:
            raise UnauthenticatedError("a token is needed: send it as `authorization: Bearer TOKEN`")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != _SCHEME:
            raise UnauthenticatedError("the authorization is no bearer token: send `authorization: Bearer TOKEN`")
        digest = _digest(token.strip())
        # All are compared, whichever fits: the time tells nothing.
        fitting = [known for known in self._tokens if hmac.compare_digest(known.digest, digest)]
        if not fitting:
            raise UnauthenticatedError("the token is not known here: it may have been replaced")
        return fitting[0].name

    def _refresh(self) -> None:
        if not self._notice.changed():
            return
        try:
            self._tokens = _read(self._path)
            log.info("tokens were read anew: %d are known", len(self._tokens))
        except MountedFileError as error:
            self._failures.inc()
            log.error("%s; the tokens read before still hold", error)  # noqa: TRY400 - the sentence says it all


def _read(path: Path) -> tuple[_Token, ...]:
    try:
        text = read_file(path).decode("ascii")
    except UnicodeDecodeError as error:
        raise MountedFileError(f"{path} holds something else than tokens: they are ASCII") from error
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    tokens = tuple(_parse(path, number, line) for number, line in lines if line and not line.startswith("#"))
    if not tokens:
        raise MountedFileError(f"{path} holds no token: write one a line, as TOKEN or NAME:TOKEN")
    return tokens


def _parse(path: Path, number: int, line: str) -> _Token:
    name, colon, token = line.rpartition(":")
    if not _TOKEN.fullmatch(token.strip()) or (colon and not _NAME.fullmatch(name.strip())):
        raise MountedFileError(
            f"line {number} of {path} is neither TOKEN nor NAME:TOKEN: tokens are of the letters, digits and "
            "-._~+/= of RFC 6750, names are up to 64 letters, digits and -._@"
        )
    return _Token(name.strip(), _digest(token.strip()))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()
