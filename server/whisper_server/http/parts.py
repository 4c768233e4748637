"""From the bytes of a multipart body, as they come, to what its parts hold.

The parsing is python-multipart's; this turns its callbacks into a stream, and its errors into sentences.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from whisper_server.errors import InvalidRequestError
from whisper_server.http.errors import WrongMediaTypeError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MULTIPART = b"multipart/form-data"
#: https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1
_LONGEST_BOUNDARY = 70
_LONGEST_NAME = 100
#: What form data may say of its encoding without being encoded: https://www.rfc-editor.org/rfc/rfc7578#section-4.7.
_PLAIN = frozenset({b"", b"binary", b"8bit", b"7bit"})


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins: the name of its field."""

    name: str


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part ends."""


#: A part begins, holds bytes, in any number of pieces, and ends.
Event = PartBegin | bytes | PartEnd
Parts = AsyncGenerator[Event, None]


def boundary_of(content_type: str | None) -> bytes:
    """Return what separates the parts of a body; WrongMediaTypeError when its type is not that of a form."""
    kind, options = parse_options_header(_latin1(content_type or ""))
    if kind != MULTIPART:
        raise WrongMediaTypeError("the request is no form: send the audio as multipart/form-data, in the field `file`")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= _LONGEST_BOUNDARY:
        raise InvalidRequestError(
            f"the form's Content-Type names no boundary of 1 to {_LONGEST_BOUNDARY} characters: let the client make it"
        )
    return boundary


def _latin1(text: str) -> str:
    return text.encode(errors="replace").decode("latin-1")


async def parts_of(body: AsyncIterable[bytes], boundary: bytes) -> Parts:
    """Yield what the parts of a body hold.

    Raises:
        InvalidRequestError: when it is no form, or ends before it should.
    """
    events = _Events()
    parser = MultipartParser(boundary, events.callbacks())
    async for chunk in body:
        if events.ended:
            continue  # What comes behind the last boundary says nothing.
        try:
            parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequestError("the form cannot be read: it is not what its boundary says") from error
        while events.queue:
            yield events.queue.popleft()
    if not events.ended:
        raise InvalidRequestError("the form is cut short: its last boundary is missing")


class _Events:
    """Collects what the parser tells.

    Attributes:
        queue: what has not been taken yet.
        ended: whether the last boundary has come.
    """

    def __init__(self) -> None:
        self.queue: deque[Event] = deque()
        self.ended = False
        self._headers: dict[bytes, bytes] = {}
        self._name = b""
        self._value = b""

    def callbacks(self) -> "MultipartCallbacks":
        """Return what the parser is to call."""
        return {
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_part,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _begin_part(self) -> None:
        headers, self._headers = self._headers, {}
        self.queue.append(PartBegin(_field_name(headers)))

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self.queue.append(data[start:end])

    def _end_part(self) -> None:
        self.queue.append(PartEnd())

    def _end(self) -> None:
        self.ended = True


def _field_name(headers: dict[bytes, bytes]) -> str:
    if headers.get(b"content-transfer-encoding", b"").strip().lower() not in _PLAIN:
        raise InvalidRequestError("a part of the form has a Content-Transfer-Encoding: send the bytes as they are")
    _, options = parse_options_header(headers.get(b"content-disposition", b""))
    name = options.get(b"name", b"").decode("ascii", errors="replace")
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise InvalidRequestError(f"a part of the form has no name of 1 to {_LONGEST_NAME} characters")
    return name
