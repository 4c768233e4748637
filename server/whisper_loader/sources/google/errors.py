"""What Google's APIs say when they refuse: https://cloud.google.com/apis/design/errors and each API's own list."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer

#: Reason and words for a word of Google's, alone or behind a status ("400 required"), or for a status.
Meanings = Mapping[str | int, tuple[Reason, str]]

_BUSY = (Reason.SOURCE_UNREACHABLE, "Google takes no more requests from here for now")
_USED_UP = (Reason.SOURCE_QUOTA_EXCEEDED, "the quota of requests of these credentials' project is used up")
_NOT_ENABLED = (Reason.UNAUTHORIZED, "this API is not enabled in the project of these credentials")
_BAD_KEY = (Reason.UNAUTHORIZED, "the API key is not valid, or may not be used for this")
_COMMON: Meanings = {
    "rateLimitExceeded": _BUSY,
    "userRateLimitExceeded": _BUSY,
    "sharingRateLimitExceeded": _BUSY,
    "dailyLimitExceeded": _USED_UP,
    "quotaExceeded": _USED_UP,
    "accessNotConfigured": _NOT_ENABLED,
    "SERVICE_DISABLED": _NOT_ENABLED,
    "API_KEY_INVALID": _BAD_KEY,
    "API_KEY_SERVICE_BLOCKED": _BAD_KEY,
    "keyInvalid": _BAD_KEY,
    "accountDisabled": (Reason.UNAUTHORIZED, "the account or its billing is switched off"),
    401: (Reason.UNAUTHORIZED, "these credentials are refused, or some are needed"),
}


def failure(answer: Answer, own: Meanings) -> LoaderError:
    """Return what a refusal means, and close the answer.

    Args:
        answer: of an API, with a status that is no success.
        own: the meanings of this API, which come before those that all share.
    """
    reasons = tuple(_reasons(answer.document()))
    words = (*(f"{answer.status} {reason}" for reason in reasons), *reasons, answer.status)
    meanings = {**_COMMON, **own}
    found = next((meanings[word] for word in words if word in meanings), None)
    return answer.failure(None if found is None else {answer.status: found})


def _reasons(document: bytes) -> Iterator[str]:
    """Return Google's words for what is wrong, the most exact first."""
    error = _error(document)
    for key in ("details", "errors"):
        entries = error.get(key)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("reason"), str):
                yield entry["reason"]


def _error(document: bytes) -> dict[str, Any]:
    try:
        error = json.loads(document)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}
