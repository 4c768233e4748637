"""GETs to Google's APIs: documents, and ranges of a file's bytes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.http import Answer, Client
from whisper_loader.sources.google_credentials import Authorize
from whisper_loader.sources.google_errors import Meanings, failure
from whisper_loader.sources.http_version import parse_content_range, parse_length


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

    def check(self, answer: Answer) -> Answer:
        """Return `answer` if it brings these bytes.

        Raises:
            LoaderError: SourceUnreachable for other bytes; SourceChanged for a file of another size.
        """
        try:
            self._check(answer)
        except LoaderError:
            answer.close()
            raise
        return answer

    def _check(self, answer: Answer) -> None:
        part = parse_content_range(answer.headers) if answer.status == HTTPStatus.PARTIAL_CONTENT else None
        if (part is not None) != bool(self.headers) or (part is not None and part.start != self.start):
            raise LoaderError(
                Reason.SOURCE_UNREACHABLE, f"{answer.what}: the server answers with another range than asked for"
            )
        total = parse_length(answer.headers) if part is None else part.total
        if None not in (total, self.size) and total != self.size:
            raise LoaderError(Reason.SOURCE_CHANGED, f"{answer.what}: has {total} bytes now, and had {self.size}")


@dataclass(frozen=True, slots=True)
class Api:
    """One of Google's APIs.

    Attributes:
        base: URL without a slash at its end.
        meanings: of its refusals.
    """

    client: Client
    authorize: Authorize
    base: str
    meanings: Meanings

    def document(self, path: str, what: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Return the JSON object at `path`.

        Raises:
            LoaderError: by `meanings`; SourceUnreachable; Unauthorized.
        """
        answer = self.get(path, what, parameters)
        try:
            document = json.loads(answer.document())
        except (ValueError, RecursionError) as error:
            raise no_api(what) from error
        if not isinstance(document, dict):
            raise no_api(what)
        return document

    def get(
        self, path: str, what: str, parameters: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Return an answer that is a success.

        Raises:
            LoaderError: by `meanings`; SourceUnreachable; Unauthorized.
        """
        url = f"{self.base}{path}?{urlencode(parameters)}"
        answer = self.client.get(url, what, {**self.authorize(), **(headers or {})})
        if not answer.ok:
            raise failure(answer, self.meanings)
        return answer


def no_api(what: str) -> LoaderError:
    """Return what to raise when the answer is none of the API's."""
    return LoaderError(
        Reason.SOURCE_UNREACHABLE, f"{what}: what answers there is not Google's API: check the endpoint and proxies"
    )
