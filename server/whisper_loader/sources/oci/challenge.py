"""The WWW-Authenticate header in which a registry says how to log in (RFC 9110, section 11.6.1)."""

import re
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

_SCHEME = re.compile(r"(?:^|,)\s*(bearer|basic)(?=\s|,|$)", re.IGNORECASE)
# From a name's first letter only: a header without end would else be looked through once for each of its letters.
_PARAMETER = re.compile(r'(?<![A-Za-z_])([A-Za-z_]+)\s*=\s*(?:"([^"]*)"|([^\s",]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to log in.

    Attributes:
        scheme: ``basic`` or ``bearer``.
        realm: for bearer, the token server's URL.
        service: what the registry calls itself there.
        scope: what the token must allow.
    """

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """What to ask the token server for."""
        service = [("service", self.service)] if self.service else []
        return service + [("scope", scope) for scope in self.scope.split()]

    @property
    def token_url(self) -> str:
        """URL of the GET that answers with a token."""
        joint = "&" if urlsplit(self.realm).query else "?"
        return f"{self.realm}{joint}{urlencode(self.parameters)}"


def parse_challenge(header: str) -> Challenge | None:
    """Return the challenge to answer, tokens before passwords; None when the header names neither way."""
    starts = list(_SCHEME.finditer(header))
    ends = [*(start.start() for start in starts[1:]), len(header)]
    challenges = {
        start.group(1).lower(): {
            key.lower(): quoted or bare for key, quoted, bare in _PARAMETER.findall(header, start.end(), end)
        }
        for start, end in zip(starts, ends, strict=False)
    }
    if "bearer" in challenges:
        found = challenges["bearer"]
        return Challenge("bearer", found.get("realm", ""), found.get("service", ""), found.get("scope", ""))
    return Challenge("basic") if "basic" in challenges else None
