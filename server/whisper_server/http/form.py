"""Reading a multipart form as it comes: its fields, and its one file, which may be larger than memory.

Fields may stand before the file or behind it (https://www.rfc-editor.org/rfc/rfc7578), and work can begin only once all
are known. So the file is read ahead. One that is larger than OpenAI takes at all is worked on while it comes if fields
stand before it, and spooled whole if none do.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from whisper_server.audio.spool import Spool, SpooledUpload
from whisper_server.errors import TooLargeError
from whisper_server.http.errors import InvalidFieldError
from whisper_server.http.options import check_name
from whisper_server.http.parts import PartBegin, PartEnd, Parts

FILE = "file"
#: The largest file that OpenAI takes: https://platform.openai.com/docs/guides/speech-to-text.
READ_AHEAD_BYTES = 25 * 1024 * 1024
#: Of a field's value: more than any option can need.
MAX_FIELD_BYTES = 16 * 1024
MAX_FIELDS = 64

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Form:
    """A form of which everything is known but, perhaps, the rest of its file.

    Attributes:
        fields: the values that came, by name without brackets.
        file: the bytes of the file; InvalidFieldError when a field comes too late behind it.
    """

    fields: dict[str, list[str]]
    file: AsyncIterator[bytes]


@contextlib.asynccontextmanager
async def reading_form(parts: Parts, spool: Spool, read_ahead: int = READ_AHEAD_BYTES) -> AsyncGenerator[Form, None]:
    """Give the form that `parts` make up.

    Args:
        parts: of its body.
        spool: where what is read of its file waits.
        read_ahead: how much that is, of a file that can be worked on while it comes.

    Raises:
        InvalidRequestError: when it is no form, or holds no file or two, or a field that no form has.
        TooLargeError: when it holds more fields, or more in one, than a form may, or `spool` is too small for its file.
        OverloadedError: when there is no room for the file.
    """
    fields: dict[str, list[str]] = {}
    if not await _read_fields(parts, fields):
        raise InvalidFieldError(FILE, "file: the form holds no audio; send it as the field `file`")
    with contextlib.closing(SpooledUpload(spool)) as upload:
        if await _read_ahead(parts, upload, read_ahead if fields else None):
            if await _read_fields(parts, fields):
                raise InvalidFieldError(FILE, "file: the form holds two of them; send each in a request of its own")
            yield Form(fields, _spooled(upload))
        else:
            yield Form(fields, _rest(parts, upload))


async def _read_fields(parts: Parts, fields: dict[str, list[str]]) -> bool:
    """Read fields until a file begins; return False when the form ended instead."""
    async for event in parts:
        name = event.name.partition("[")[0] if isinstance(event, PartBegin) else ""
        if name == FILE:
            return True
        check_name(name)
        if sum(map(len, fields.values())) == MAX_FIELDS:
            raise TooLargeError(f"the form has more than {MAX_FIELDS} fields")
        fields.setdefault(name, []).append(await _read_value(name, parts))
    return False


async def _read_value(name: str, parts: Parts) -> str:
    value = b""
    async for event in parts:
        if isinstance(event, PartEnd):
            break
        if isinstance(event, bytes):
            value += event
        if len(value) > MAX_FIELD_BYTES:
            raise TooLargeError(f"{name}: a field may hold {MAX_FIELD_BYTES} bytes")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidFieldError(name, f"{name}: the text is not in UTF-8") from None


async def _read_ahead(parts: Parts, upload: SpooledUpload, most: int | None) -> bool:
    """Read the file until it ends or `most` bytes are here; return whether it ended.

    What is written goes to a local disk's cache; handing each piece to a thread would take longer.
    """
    async for event in parts:
        if not isinstance(event, bytes):
            return True
        try:
            upload.append(event)
        except TooLargeError:
            sentence = "the file is too large to be kept until the fields behind it come: send them before it"
            raise TooLargeError(sentence) from None
        if most is not None and upload.tell() >= most:
            return False
    raise AssertionError("parts end before their form does")


async def _spooled(upload: SpooledUpload) -> AsyncIterator[bytes]:
    upload.rewind()
    while chunk := upload.read(_CHUNK_BYTES):
        yield chunk
    upload.close()  # The room is others', as long as the model works on what was in it.


async def _rest(parts: Parts, upload: SpooledUpload) -> AsyncIterator[bytes]:
    async for chunk in _spooled(upload):
        yield chunk
    async for event in parts:
        if isinstance(event, bytes):
            yield event
        elif isinstance(event, PartBegin):
            name = event.name[:40]
            raise InvalidFieldError(
                name,
                f"{name}: it stands behind a large file, whose work had begun: send all fields before the file, or all "
                "behind it",
            )
