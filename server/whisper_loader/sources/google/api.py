"""GETs to Google's APIs."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer, Client
from whisper_loader.sources.google.credentials import Authorize
from whisper_loader.sources.google.errors import Meanings, failure

_NUMBER = re.compile(r"[0-9]{1,18}")


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


def parse_number(value: object) -> int:
    """Return a size or a generation, which the APIs write as text; ValueError for what is none."""
    text = str(value)
    if not _NUMBER.fullmatch(text):
        raise ValueError
    return int(text)


def no_api(what: str) -> LoaderError:
    """Return what to raise when the answer is none of the API's."""
    return LoaderError(
        Reason.SOURCE_UNREACHABLE, f"{what}: what answers there is not Google's API: check the endpoint and proxies"
    )
