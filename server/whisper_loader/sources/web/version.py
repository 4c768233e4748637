"""What an HTTP server says about the content behind a URL: enough to tell it from any other, or not.

https://www.rfc-editor.org/rfc/rfc9110#name-validator-fields.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import quote

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer

_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')


@dataclass(frozen=True, slots=True)
class Version:
    """One state of the content behind a URL.

    Attributes:
        etag: a strong one, with its quotes; None when the server gives none that names exactly these bytes.
        modified: when, by the server's clock, to a second; None when it does not say.
        size: of the whole, in bytes; None when it does not say.
    """

    etag: str | None
    modified: datetime | None
    size: int | None

    @property
    def is_known(self) -> bool:
        """Whether the content could be told from what replaces it."""
        return self.etag is not None or (self.modified is not None and self.size is not None)

    @property
    def conditions(self) -> dict[str, str]:
        """The headers that make the server refuse when it holds other content by now."""
        if self.etag is not None:
            return {"If-Match": self.etag}
        if self.modified is not None:
            return {"If-Unmodified-Since": format_datetime(self.modified, usegmt=True)}
        return {}

    @property
    def fragment(self) -> str:
        """The form for an identity; only for a version that is known."""
        if self.etag is not None:
            return f"etag={quote(self.etag[1:-1], safe='/:+=@,;!*.-_~')}"
        return f"modified={self.modified:%Y-%m-%dT%H:%M:%SZ}&size={self.size}"

    def check_same(self, answer: Answer, size: int | None) -> None:
        """Raise LoaderError SourceChanged, and close the answer, when it is of other content.

        Args:
            answer: whose headers say what it is of.
            size: of the whole that it is of, as far as it says.
        """
        if not self.agrees(parse_version(answer.headers, size)):
            answer.close()
            raise LoaderError(Reason.SOURCE_CHANGED, f"{answer.what}: it was replaced while it was being read")

    def agrees(self, other: "Version") -> bool:
        """Tell whether `other` can be this one: what it leaves out is no contradiction."""
        if None not in (self.size, other.size) and self.size != other.size:
            return False
        if None not in (self.etag, other.etag):
            # What a cluster of web servers agrees on sooner than on times.
            return self.etag == other.etag
        return None in (self.modified, other.modified) or self.modified == other.modified


def parse_version(headers: Mapping[str, str], size: int | None) -> Version:
    """Return what the answer's headers, by lower-case name, say of the content; junk counts as unsaid."""
    etag = headers.get("etag", "").strip()
    return Version(etag if _STRONG_ETAG.fullmatch(etag) else None, _parse_date(headers.get("last-modified", "")), size)


def _parse_date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
