"""Asking for a part of what is behind a URL, and seeing to it that just this part comes.

https://www.rfc-editor.org/rfc/rfc9110#name-range-requests
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_LENGTH = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class ContentRange:
    """The part that an answer holds: from `start` to before `stop`, of `total` bytes or of nobody knows how many."""

    start: int
    stop: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes that are wanted: from `start` to before `stop`, or to the end, of `size` when that is known."""

    start: int
    stop: int | None
    size: int | None

    @property
    def headers(self) -> Mapping[str, str]:
        """What asks for just these bytes; nothing when they are all."""
        if self.start == 0 and self.stop in (None, self.size):
            return {}
        return {"Range": f"bytes={self.start}-{'' if self.stop is None else self.stop - 1}"}

    def check(self, answer: Answer, other_size: Reason = Reason.SOURCE_CHANGED) -> Answer:
        """Return `answer` if it brings these bytes; close it if not.

        Raises:
            LoaderError: SourceUnreachable for other bytes; `other_size` when the whole is longer or shorter than known.
        """
        try:
            self._check(answer, other_size)
        except LoaderError:
            answer.close()
            raise
        return answer

    def _check(self, answer: Answer, other_size: Reason) -> None:
        total = parse_whole_size(answer)
        if None not in (total, self.size) and total != self.size:
            raise LoaderError(other_size, f"{answer.what}: the server has {total} bytes, and it should be {self.size}")
        part = parse_part(answer)
        if (part is not None) != bool(self.headers) or (part is not None and part.start != self.start):
            raise other_range(answer)


def other_range(answer: Answer) -> LoaderError:
    """Return what to raise when an answer holds other bytes than were asked for."""
    message = f"{answer.what}: the server answers with another range than asked for"
    return LoaderError(Reason.SOURCE_UNREACHABLE, message)


def parse_part(answer: Answer) -> ContentRange | None:
    """Return which part the answer holds, or None when it holds the whole or doesn't say in a way that makes sense."""
    return parse_content_range(answer.headers) if answer.status == HTTPStatus.PARTIAL_CONTENT else None


def parse_whole_size(answer: Answer) -> int | None:
    """Return how long the whole is that the answer holds or is a part of, or None when it doesn't say."""
    if answer.status != HTTPStatus.PARTIAL_CONTENT:
        return parse_length(answer.headers)
    part = parse_content_range(answer.headers)
    return None if part is None else part.total


def parse_length(headers: Mapping[str, str]) -> int | None:
    """Return the Content-Length, or None when there is none that is a number."""
    value = headers.get("content-length", "").strip()
    return int(value) if _LENGTH.fullmatch(value) else None


def parse_content_range(headers: Mapping[str, str]) -> ContentRange | None:
    """Return which part the answer holds, or None when it doesn't say so in a way that makes sense."""
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if match is None:
        return None
    total = None if match[3] == "*" else int(match[3])
    found = ContentRange(int(match[1]), int(match[2]) + 1, total)
    if found.stop <= found.start or (total is not None and found.stop > total):
        return None
    return found
