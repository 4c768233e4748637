"""What a registry says when it refuses: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes."""

import json
from http import HTTPStatus

from whisper_contract.reasons import Reason
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Answer

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


def registry_error(answer: Answer, *, has_credentials: bool) -> LoaderError:
    """Return what an answer that is no success means; the registry's own words are not repeated, only its code."""
    # A server that fails may say anything: what passes is tried again.
    code = "" if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else _code(answer)
    unauthorized = (Reason.UNAUTHORIZED, _REFUSES_CREDENTIALS if has_credentials else _WANTS_CREDENTIALS)
    meanings = {**_MEANINGS, "UNAUTHORIZED": unauthorized}
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS and _pulls_left(answer) == 0:
        reason, words = _QUOTA
    elif code in meanings:
        reason, words = meanings[code]
        words = f"{words} ({code})"
    elif answer.status == HTTPStatus.UNAUTHORIZED:
        reason, words = unauthorized
    else:
        return answer.failure()
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
    return int(count) if count.isdecimal() else None
