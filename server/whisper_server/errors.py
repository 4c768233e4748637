"""What can go wrong with a request, in words of no protocol: each front end maps these to its own codes.

RequestError
├── InvalidRequestError    the request can never succeed as it is
├── TooLargeError          it holds more than a request may
├── NotFoundError          it names something that is not here
├── UnauthenticatedError   it brings no token that is known here
├── ExpiredError           its deadline passed, or it kept the server waiting too long
├── OverloadedError        it may succeed later
└── UnavailableError       it may succeed elsewhere: this server ends, or its device is broken
"""


class RequestError(Exception):
    """A request is answered with an error; the text is one sentence for the caller."""


class InvalidRequestError(RequestError):
    """The request can never succeed as it is."""


class TooLargeError(RequestError):
    """The request holds more than one may."""


class NotFoundError(RequestError):
    """The request names something that is not here."""


class UnauthenticatedError(RequestError):
    """The request brings no token that is known here."""


class ExpiredError(RequestError):
    """The request's deadline passed, or it kept the server waiting for longer than it may."""


class OverloadedError(RequestError):
    """There is no room for the request now.

    Attributes:
        retry_after_seconds: when trying again is worthwhile.
    """

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(RequestError):
    """This server cannot serve the request, another one may."""
