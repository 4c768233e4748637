"""What a registry says when it refuses: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer
from whisper_loader.http.errors import UPLOAD_MEANINGS

_MEANINGS = {
    "NAME_UNKNOWN": (Reason.SOURCE_NOT_FOUND, "there is no such repository in the registry"),
    "MANIFEST_UNKNOWN": (Reason.SOURCE_NOT_FOUND, "the repository has no such tag or digest"),
    "BLOB_UNKNOWN": (Reason.SOURCE_NOT_FOUND, "the registry has lost a layer that the manifest names"),
    "MANIFEST_BLOB_UNKNOWN": (Reason.SOURCE_NOT_FOUND, "the registry has lost a layer that the manifest names"),
    "NAME_INVALID": (Reason.SPEC_INVALID, "the registry takes no such repository name"),
    "DENIED": (Reason.UNAUTHORIZED, "the registry denies access to this repository"),
    "UNSUPPORTED": (Reason.UNSUPPORTED_FORMAT, "the registry does not support this kind of manifest or request"),
    "MANIFEST_INVALID": (Reason.UNSUPPORTED_FORMAT, "the registry does not take this kind of manifest"),
    "TOOMANYREQUESTS": (Reason.SOURCE_UNREACHABLE, "the registry has too many requests"),
}
_WANTS_CREDENTIALS = "there is no such repository, or it wants credentials and none were given"
_REFUSES_CREDENTIALS = "the registry refused the credentials, or they may not read this repository"
_QUOTA = (
    Reason.SOURCE_QUOTA_EXCEEDED,
    "the registry's pull limit is used up: log in, wait, or keep the model in a registry of your own",
)


_PUSH_WANTS_CREDENTIALS = "it wants credentials to be written to, and none were given"
_PUSH_REFUSES_CREDENTIALS = "the registry refused the credentials, or they may not write to this repository"
_DAMAGED = (
    Reason.SOURCE_CHANGED,
    "the registry got other bytes than it was told of: the file changed while it was sent",
)
_SESSION_LOST = (Reason.SOURCE_UNREACHABLE, "the registry has forgotten the upload that it had begun")
_PUSH_MEANINGS = {
    **_MEANINGS,
    "NAME_UNKNOWN": (Reason.SOURCE_NOT_FOUND, "there is no such repository in the registry, and it makes none"),
    "DENIED": (Reason.UNAUTHORIZED, "the registry denies writing to this repository"),
    "UNSUPPORTED": (Reason.SPEC_INVALID, "nothing can be written there: the registry only reads"),
    "BLOB_UPLOAD_UNKNOWN": _SESSION_LOST,
    "BLOB_UPLOAD_INVALID": _SESSION_LOST,
    "DIGEST_INVALID": _DAMAGED,
    "SIZE_INVALID": _DAMAGED,
    "TAG_INVALID": (Reason.SPEC_INVALID, "the registry takes no such tag, or the tag is there and stays as it is"),
}


def registry_error(answer: Answer, *, has_credentials: bool) -> LoaderError:
    """Return what an answer that is no success means; the registry's own words are not repeated, only its code."""
    unauthorized = (Reason.UNAUTHORIZED, _REFUSES_CREDENTIALS if has_credentials else _WANTS_CREDENTIALS)
    return _error(answer, {**_MEANINGS, "UNAUTHORIZED": unauthorized}, {})


def push_error(answer: Answer, *, has_credentials: bool) -> LoaderError:
    """Return what an answer to a push means, as `registry_error` does for a pull."""
    words = _PUSH_REFUSES_CREDENTIALS if has_credentials else _PUSH_WANTS_CREDENTIALS
    unauthorized = (Reason.UNAUTHORIZED, words)
    by_status = {**UPLOAD_MEANINGS, HTTPStatus.UNAUTHORIZED.value: unauthorized}
    return _error(answer, {**_PUSH_MEANINGS, "UNAUTHORIZED": unauthorized}, by_status)


def _error(
    answer: Answer, meanings: Mapping[str, tuple[Reason, str]], by_status: Mapping[int, tuple[Reason, str]]
) -> LoaderError:
    # A server that fails may say anything: what passes is tried again.
    code = "" if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else _code(answer)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS and _pulls_left(answer) == 0:
        reason, words = _QUOTA
    elif code in meanings:
        reason, words = meanings[code]
        words = f"{words} ({code})"
    elif answer.status == HTTPStatus.UNAUTHORIZED:
        reason, words = meanings["UNAUTHORIZED"]
    else:
        return answer.failure(by_status)
    return answer.failure({answer.status: (reason, words)})


def _code(answer: Answer) -> str:
    """The first error's code; a proxy in between answers with none, and whatever else it likes."""
    try:
        errors = json.loads(answer.document())["errors"]
        return str(errors[0]["code"]).upper()
    except (LoaderError, ValueError, LookupError, TypeError, RecursionError):
        return ""


def _pulls_left(answer: Answer) -> int | None:
    """Docker Hub's count, like ``0;w=21600``: https://docs.docker.com/docker-hub/usage/pulls/."""
    count = answer.headers.get("ratelimit-remaining", "").partition(";")[0].strip()
    return int(count) if re.fullmatch("[0-9]{1,9}", count) else None
