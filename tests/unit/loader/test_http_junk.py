"""The HTTP client and what servers say that is no answer: broken protocols, junk in headers, silence."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fetching import failure
from tests.support.raw import raw_server
from tests.support.web import Page, Refusal, Web
from whisper_contract.reasons import Reason
from whisper_loader.access import Access
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Client
from whisper_loader.http.errors import parse_retry_after
from whisper_loader.http.ranges import parse_content_range, parse_length
from whisper_loader.sources.web.version import parse_version

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_proxies")]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nshort",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\njunk",
    ],
)
def test_an_answer_that_breaks_the_protocol_is_worth_another_try(answer: bytes) -> None:
    with raw_server(answer) as url:
        assert failure(url).reason is Reason.SOURCE_UNREACHABLE


def test_nobody_listening_and_no_such_name_are_told() -> None:
    for url in ("http://127.0.0.1:1/?token=hunter2", "http://name.invalid/?token=hunter2"):
        assert "nothing answers there, or its name is not known" in failure(url).message


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7), ("100000", 120), ("9" * 400, 120), ("soon", None), ("", None)]
)
def test_retry_after_is_seconds_within_reason(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


def test_retry_after_may_be_a_date() -> None:
    assert parse_retry_after("Mon, 02 Nov 2020 10:00:00 GMT") == 0
    assert parse_retry_after("Mon, 02 Nov 2099 10:00:00 GMT") == 120


def test_what_the_server_asks_to_wait_comes_with_the_failure(web: Web) -> None:
    web.serve("/x", Page(refusals=[Refusal(503, {"Retry-After": "3"})]))
    assert failure(web.url + "/x").retry_after == 3


@pytest.fixture(scope="module")
def client() -> Client:
    """One for all examples: to read the machine's authorities takes longer than an example."""
    return Client(Access(deadline=Deadline(100)))


_JUNK = st.text(st.characters(codec="latin-1"), max_size=60) | st.from_regex(
    r'bytes [0-9]*-[0-9]*/[0-9*]*|W?/?"[ -~]*"'
    r"|[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,9} [0-9:]{1,9} [-+A-Z0-9]*",
    fullmatch=True,
)


@given(_JUNK, _JUNK, _JUNK, _JUNK)
def test_junk_in_headers_is_as_if_they_were_not_there(etag: str, modified: str, part: str, length: str) -> None:
    headers = {"etag": etag, "last-modified": modified, "content-range": part, "content-length": length}
    version = parse_version(headers, parse_length(headers))
    assert version.agrees(version)
    assert all(value.isascii() for value in version.conditions.values())
    if version.is_known:
        assert version.fragment.isprintable()
    found = parse_content_range(headers)
    assert found is None or 0 <= found.start < found.stop
    seconds = parse_retry_after(etag), parse_retry_after(modified), parse_retry_after(length)
    assert all(value is None or 0 <= value <= 120 for value in seconds)


_HEADER = st.sampled_from(
    ["Content-Length", "Content-Range", "ETag", "Location", "Retry-After", "Last-Modified", "Transfer-Encoding"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([200, 206, 302, 416, 429, 503]), st.dictionaries(_HEADER, _JUNK, max_size=4), st.binary(max_size=40)
)
def test_whatever_a_server_says_nothing_but_the_loaders_error_comes_of_it(
    client: Client, status: int, headers: dict[str, str], body: bytes
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with raw_server(f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode("latin-1") + body) as url, suppress(LoaderError):
        answer = client.get(url, "the page")
        assert answer.failure() if not answer.ok else answer.document() is not None
