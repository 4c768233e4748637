"""From what went wrong to a status and the JSON that OpenAI's clients read errors from.

{"error": {"message", "type", "param", "code"}}: https://platform.openai.com/docs/guides/error-codes
"""

import math

from whisper_server.errors import (
    ExpiredError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RequestError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
)
from whisper_server.http.answers import Answer, json_answer


class InvalidFieldError(InvalidRequestError):
    """A field of the form is missing or cannot be right.

    Attributes:
        field: its name.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class WrongMediaTypeError(InvalidRequestError):
    """The body is no multipart form."""


class ForeignPageError(InvalidRequestError):
    """The request comes from a page of another site."""


class SlowClientError(ExpiredError):
    """The client kept the server waiting for longer than it may."""


_INVALID = "invalid_request_error"
_SERVER = "server_error"

#: Class -> status, OpenAI's type, OpenAI's code; the first in a class's ancestry counts.
KINDS: dict[type[RequestError], tuple[int, str, str | None]] = {
    InvalidRequestError: (400, _INVALID, None),
    UnauthenticatedError: (401, _INVALID, "invalid_api_key"),
    ForeignPageError: (403, _INVALID, "foreign_page"),
    NotFoundError: (404, _INVALID, "model_not_found"),
    SlowClientError: (408, _INVALID, "request_timeout"),
    TooLargeError: (413, _INVALID, "request_too_large"),
    WrongMediaTypeError: (415, _INVALID, "unsupported_media_type"),
    OverloadedError: (429, "rate_limit_error", "rate_limit_exceeded"),
    UnavailableError: (503, _SERVER, "unavailable"),
    ExpiredError: (504, _SERVER, "deadline_exceeded"),
}


def refusal(error: RequestError) -> Answer:
    """Return the answer that says why a request was not served."""
    kind = next(ancestor for ancestor in type(error).__mro__ if ancestor in KINDS)
    status, name, code = KINDS[kind]
    param = "model" if isinstance(error, NotFoundError) else getattr(error, "field", None)
    answer = error_answer(status, str(error), name, param=param, code=code)
    if isinstance(error, OverloadedError):
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    if isinstance(error, UnauthenticatedError):
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def defect(request_id: str) -> Answer:
    """Return the answer to a request that met a defect of the server's own."""
    return error_answer(500, f"internal error; the server's log has it under request id {request_id}", _SERVER)


def error_answer(
    status: int, message: str, kind: str = _INVALID, *, param: str | None = None, code: str | None = None
) -> Answer:
    """Return an answer in the shape that OpenAI's clients read."""
    return json_answer({"error": {"message": message, "type": kind, "param": param, "code": code}}, status)
