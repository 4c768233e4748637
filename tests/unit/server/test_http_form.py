"""Forms as clients of all kinds send them, in any order and damaged in any way."""

import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.server.audio_files import Pcm, tone, wav
from tests.unit.server.conftest import RECORDING
from tests.unit.server.http_server import TRANSCRIPTIONS, HttpServed, Reply, serving_http
from whisper_server.audio.spool import Spool
from whisper_server.errors import RequestError
from whisper_server.http.form import MAX_FIELD_BYTES, MAX_FIELDS, READ_AHEAD_BYTES, reading_form
from whisper_server.http.parts import boundary_of, parts_of

BOUNDARY = "frontier"
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
END = f"--{BOUNDARY}--\r\n".encode()


def part(name: str, body: bytes | str, *, filename: str | None = None, headers: str = "") -> bytes:
    """Return one part of a form."""
    body = body.encode() if isinstance(body, str) else body
    told = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    return f"--{BOUNDARY}\r\nContent-Disposition: {told}\r\n{headers}\r\n".encode() + body + b"\r\n"


AUDIO = part("file", RECORDING, filename="a.wav")


@pytest.fixture
async def served() -> AsyncIterator[HttpServed]:
    async with serving_http() as running:
        yield running


def silence(size: int) -> Pcm:
    """Return silence of `size` bytes."""
    return np.zeros(size // 2, np.int16)


async def send(served: HttpServed, body: bytes, content_type: str | None = FORM_TYPE) -> Reply:
    headers = {} if content_type is None else {"Content-Type": content_type}
    skipped = ["Content-Type"] if content_type is None else []
    return await served.ask("POST", TRANSCRIPTIONS, data=io.BytesIO(body), headers=headers, skip_auto_headers=skipped)


async def test_fields_count_before_the_file_and_behind_it(served: HttpServed) -> None:
    language, prompt = part("language", "ko"), part("prompt", "Seoul.")
    for body in (language + prompt + AUDIO, AUDIO + language + prompt, language + AUDIO + prompt):
        reply = await send(served, body + END)
        assert reply.status == 200, reply.body
        instructions = served.engine.requests.pop().instructions
        assert (instructions.language, instructions.context.initial_prompt) == ("ko", "Seoul.")


async def test_a_file_needs_no_name_and_no_type_of_its_own(served: HttpServed) -> None:
    for body in (part("file", RECORDING), part("file", RECORDING, filename="", headers="Content-Type: text/html\r\n")):
        assert (await send(served, body + END)).status == 200


async def test_names_and_texts_that_point_elsewhere_are_only_names_and_texts(served: HttpServed) -> None:
    for name in ("/etc/passwd", "http://127.0.0.1:1/a.wav", "../../a.wav"):
        assert (await send(served, part("file", RECORDING, filename=name) + END)).status == 200
    for text in ("/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/a.wav"):
        reply = await send(served, part("file", text) + END)
        assert reply.status == 400
        assert "in no container known here" in reply.error["message"]


@pytest.mark.parametrize(
    ("body", "param", "trouble"),
    [
        (AUDIO + AUDIO + END, "file", "holds two of them"),
        (part("language", "en") + END, "file", "holds no audio"),
        (END, "file", "holds no audio"),
        (b"", None, "cut short"),
        (AUDIO, None, "cut short"),
        (AUDIO[:-100], None, "cut short"),
        (b"preamble", None, "not what its boundary says"),
        (f"--{BOUNDARY}\r\nno colon\r\n\r\n".encode() + END, None, "not what its boundary says"),
        (part("file", b"") + END, None, "holds no audio"),
        (part("x" * 101, "") + AUDIO + END, None, "no name of 1 to 100 characters"),
        (f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nx\r\n".encode() + AUDIO + END, None, "has no name"),
        (part("language", b"\xff\xfe") + AUDIO + END, "language", "not in UTF-8"),
        (part("colour", "red") + AUDIO + END, "colour", "no field of this form"),
        (
            part("file", RECORDING, headers="Content-Transfer-Encoding: base64\r\n") + END,
            None,
            "send the bytes as they are",
        ),
        (
            part("file", b"--x--\r\n", headers="Content-Type: multipart/mixed; boundary=x\r\n") + END,
            None,
            "in no container known here",
        ),
        (part("language", "en", headers="X-Long: " + "x" * 5_000 + "\r\n") + AUDIO + END, None, "cannot be read"),
        (part("language", "en", headers="X-More: x\r\n" * 50) + AUDIO + END, None, "cannot be read"),
    ],
)
async def test_a_form_that_is_none_is_one_sentence(
    served: HttpServed, body: bytes, param: str | None, trouble: str
) -> None:
    reply = await send(served, body)
    assert (reply.status, reply.error["param"]) == (400, param), reply.body
    assert trouble in reply.error["message"]
    assert (await served.post()).status == 200, "it goes on serving"


@pytest.mark.parametrize(
    ("content_type", "status", "trouble"),
    [
        (None, 415, "is no form"),
        ("application/json", 415, "is no form"),
        ("multipart/mixed; boundary=frontier", 415, "is no form"),
        ("application/x-www-form-urlencoded", 415, "is no form"),
        ("multipart/form-data", 400, "names no boundary"),
        ("multipart/form-data; boundary=", 400, "names no boundary"),
        ("multipart/form-data; boundary=" + "x" * 71, 400, "names no boundary"),
        ('multipart/form-data; boundary="other"', 400, "not what its boundary says"),
    ],
)
async def test_a_type_that_is_no_forms_is_one_sentence(
    served: HttpServed, content_type: str | None, status: int, trouble: str
) -> None:
    reply = await send(served, AUDIO + END, content_type)
    assert reply.status == status
    assert trouble in reply.error["message"]


async def test_a_compressed_body_is_refused(served: HttpServed) -> None:
    headers = {"Content-Type": FORM_TYPE, "Content-Encoding": "gzip"}
    reply = await served.ask("POST", TRANSCRIPTIONS, data=AUDIO + END, headers=headers)
    assert (reply.status, reply.error["code"]) == (415, "unsupported_media_type")


async def test_what_stands_behind_the_last_boundary_says_nothing(served: HttpServed) -> None:
    assert (await send(served, AUDIO + END + b"epilogue" * 100_000)).status == 200


@pytest.mark.parametrize(
    "body",
    [part("prompt", "x" * (MAX_FIELD_BYTES + 1)) + AUDIO, AUDIO + part("keywords[]", "a") * (MAX_FIELDS + 1)],
    ids=["a long field", "many fields"],
)
async def test_more_in_a_form_than_one_may_hold_is_413(served: HttpServed, body: bytes) -> None:
    reply = await send(served, body + END)
    assert (reply.status, reply.error["code"]) == (413, "request_too_large")
    assert served.engine.requests == []


async def chunked(body: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def test_an_upload_that_is_too_large_is_413_whether_it_tells_its_length_or_not() -> None:
    async with serving_http(max_upload_bytes=2**20) as served:
        body = part("file", bytes(2**20)) + END
        for data in (io.BytesIO(body), chunked(body)):
            reply = await served.ask("POST", TRANSCRIPTIONS, data=data, headers={"Content-Type": FORM_TYPE})
            assert reply.status == 413
            assert reply.error["message"] == "the request is larger than the 1048576 bytes that one may have"
        assert served.engine.requests == []


async def test_audio_that_is_too_long_is_refused() -> None:
    async with serving_http(max_audio_seconds=1) as served:
        reply = await served.post(audio=wav(tone(seconds=2.0)))
        assert reply.status in {400, 413}
        assert "longer than the 1 s" in reply.error["message"]


async def read(body: bytes, size: int, read_ahead: int) -> tuple[dict[str, list[str]], list[bytes]]:
    """Return the fields as they are known when work begins, and the pieces of the file."""
    async with reading_form(parts_of(chunked(body, size), BOUNDARY.encode()), Spool(), read_ahead) as form:
        fields = {name: list(values) for name, values in form.fields.items()}
        return fields, [chunk async for chunk in form.file]


@settings(max_examples=60)
@given(st.integers(1, 3_000), st.integers(0, 2_000), st.sampled_from(["before", "behind"]))
async def test_a_file_arrives_whole_however_it_is_cut_and_whatever_is_read_ahead(
    size: int, read_ahead: int, fields: str
) -> None:
    content = bytes(range(256)) * 4 + b"\r\n--frontie" + b"\r\n--frontierx\r\n"
    file, field = part("file", content), part("language", "ko")
    body = field + file if fields == "before" else file + field
    known, pieces = await read(body + END, size, read_ahead)
    assert known == {"language": ["ko"]}
    assert b"".join(pieces) == content


async def test_work_on_a_large_file_begins_before_all_of_it_is_here() -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        async for chunk in chunked(part("language", "en") + part("file", bytes(50_000)) + END, 1_000):
            sent += len(chunk)
            yield chunk

    async with reading_form(parts_of(body(), BOUNDARY.encode()), Spool(), 10_000) as form:
        assert 10_000 <= sent <= 12_000
        assert sum([len(chunk) async for chunk in form.file]) == 50_000


async def test_a_field_behind_a_large_file_comes_too_late_when_others_came_before_it(served: HttpServed) -> None:
    large = part("file", wav(silence(READ_AHEAD_BYTES + 100_000)))
    reply = await send(served, part("language", "en") + large + part("prompt", "Seoul.") + END)
    assert (reply.status, reply.error["param"]) == (400, "prompt")
    assert "send all fields before the file, or all behind it" in reply.error["message"]
    reply = await send(served, large + part("language", "ko") + part("prompt", "Seoul.") + END)
    assert reply.status == 200
    assert served.engine.requests[-1].instructions.language == "ko"


async def test_there_is_room_on_disk_for_so_much_and_all_of_it_is_given_back(tmp_path: Path) -> None:
    async with serving_http(spool_directory=tmp_path, max_spool_bytes=20 * 2**20) as served:
        large = part("file", bytes(21 * 2**20))
        reply = await send(served, large + part("language", "ko") + END)
        assert reply.status == 413
        assert reply.error["message"].endswith("send them before it")
        for _ in range(2):
            assert (await send(served, part("file", wav(silence(18 * 2**20))) + END)).status == 200


#: Pieces of forms, and what damages them.
_SCRAPS = st.lists(
    st.one_of(
        st.sampled_from(
            [AUDIO, part("language", "en"), END, f"--{BOUNDARY}".encode(), b"\r\n", b"--", b"\r\n\r\n", b":"]
        ),
        st.binary(max_size=50),
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(_SCRAPS, st.integers(1, 2_000))
async def test_any_bytes_are_a_form_or_a_sentence(scraps: list[bytes], size: int) -> None:
    with contextlib.suppress(RequestError):
        await read(b"".join(scraps), size, 100)


@given(st.text())
def test_any_content_type_is_a_forms_or_a_sentence(content_type: str) -> None:
    with contextlib.suppress(RequestError):
        assert boundary_of(content_type)
