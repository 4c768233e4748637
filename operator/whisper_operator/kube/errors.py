"""What can go wrong between us and the API server, by what to do about it. The client library's own errors end here.

KubeError
├── NotFound      it is not there
├── Refused       it will not be accepted, however often it is tried: forbidden, or invalid
└── Unsettled     it may go well later: a conflict, too many requests, a server error, no connection, an expired token
    └── NamespaceTerminating   nothing can be made, since the namespace is being deleted
"""

import json
from typing import Any


class KubeError(Exception):
    """A call failed.

    Attributes:
        status: the HTTP status; 0 when there was no answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class NotFound(KubeError):  # noqa: N818 - named as the API server names it
    """The object, or its namespace, does not exist."""


class Refused(KubeError):  # noqa: N818 - named for what the API server did
    """The API server refuses the request for good: 403 (rights, quota, a policy) or 400 and 422 (an invalid object)."""

    @property
    def forbidden(self) -> bool:
        """Whether a rule forbids it; otherwise the object itself is wrong."""
        return self.status == _FORBIDDEN


class Unsettled(KubeError):  # noqa: N818 - named for what it means to us
    """The request may succeed later."""


class NamespaceTerminating(Unsettled):
    """Nothing can be made any more: the namespace is being deleted, and the WhisperModel with it."""


_FORBIDDEN = 403
_NOT_FOUND = 404
_REFUSED = (400, _FORBIDDEN, 422)


def error_for(status: int, body: str) -> KubeError:
    """Return the error that the answer means, with the API server's own sentence."""
    answer = _parse(body)
    message = f"{_sentence(answer)} (HTTP {status})"
    if status == _NOT_FOUND:
        return NotFound(status, message)
    if _in_terminating_namespace(answer):
        return NamespaceTerminating(status, message)
    if status in _REFUSED:
        return Refused(status, message)
    return Unsettled(status, message)


def _parse(body: str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {"message": body[:256]}
    return answer if isinstance(answer, dict) else {}


def _sentence(answer: dict[str, Any]) -> str:
    # What follows the first line, of an invalid object, is its diff.
    return str(answer.get("message", "")).partition("\n")[0] or "no text"


def _in_terminating_namespace(answer: dict[str, Any]) -> bool:
    """Tell whether nothing can be made only because the namespace is being deleted."""
    causes = (answer.get("details") or {}).get("causes") or []
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
