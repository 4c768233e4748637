"""What can go wrong with a request, in words of no protocol: each front end maps these to its own codes.

RequestError
├── InvalidRequestError   the request can never succeed as it is
├── NotFoundError         it names something that is not here
├── UnsupportedError      it asks for a call that is not served
└── OverloadedError       it may succeed later
"""


class RequestError(Exception):
    """A request is answered with an error; the text is one sentence for the caller."""


class InvalidRequestError(RequestError):
    """The request can never succeed as it is."""


class NotFoundError(RequestError):
    """The request names something that is not here."""


class UnsupportedError(RequestError):
    """The call is part of the protocol and is not served."""


class OverloadedError(RequestError):
    """There is no room for the request now.

    Attributes:
        retry_after_seconds: when trying again is worthwhile.
    """

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
