"""A pull ends at its deadline, whatever a source does, and says what it was held up by."""

import importlib
import socket
import threading
import time

import pytest

from tests.support.raw import raw_server
from whisper_contract.reasons import Reason
from whisper_loader.access import Access
from whisper_loader.deadline import Deadline, within
from whisper_loader.errors import LoaderError
from whisper_loader.sources.resolve import parse, resolve
from whisper_loader.transfer.retry import retry

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
# What a server says at once; a byte now and then comes after it.
DRIPS = {
    "status": b"",
    "header": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "body": JSON + b"Content-Length: 1000\r\n\r\n",
    "body without length": JSON + b"\r\n",
    "chunk": JSON + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n",
}
# How long all that drips takes to come: much longer than any deadline here, on the busiest machine too.
WHOLE_SECONDS = 100
# A record of TLS that would hold 16 KiB of a handshake.
TLS_RECORD = b"\x16\x03\x03\x40\x00"


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """The deadlines are for the services: what a kind of source imports may take as long on a busy machine.

    And the rest would be imported after the test: pytest does not bear new loggers while it begins another.
    """
    for kind in ("s3.source", "google.storage", "hub.source", "web.source", "oci.source"):
        importlib.import_module(f"whisper_loader.sources.{kind}")
    importlib.import_module("boto3.s3.inject")  # boto3 itself does so for its first client only


def check_left_in_time(uri: str, endpoint: str | None = None) -> str:
    began = time.monotonic()
    with pytest.raises(LoaderError) as raised:
        resolve(parse(uri), Access(endpoint=endpoint, anonymous=True, deadline=Deadline(0.5)))
    assert time.monotonic() - began < WHOLE_SECONDS / 2, "it waited for all that was to come"
    assert raised.value.reason is Reason.DEADLINE_EXCEEDED
    assert raised.value.message.startswith("not done within 0.5 s")
    return raised.value.message


@pytest.mark.parametrize("drip", DRIPS)
@pytest.mark.parametrize(
    "uri", ["s3://models/folder/", "gs://models/x.tar", "hf://org/model", "oci://registry.example/x"]
)
def test_a_service_that_drips_is_left_at_the_deadline(uri: str, drip: str) -> None:
    with raw_server(DRIPS[drip], then=b"1" * 1000, every=WHOLE_SECONDS / 1000) as url:
        assert uri in check_left_in_time(uri, url)


@pytest.mark.parametrize("drip", ["status", "header"])
def test_a_web_server_that_drips_is_left_at_the_deadline(drip: str) -> None:
    with raw_server(DRIPS[drip], then=b"1" * 1000, every=WHOLE_SECONDS / 1000) as url:
        check_left_in_time(url)


def test_a_tls_handshake_that_drips_is_left_at_the_deadline() -> None:
    with raw_server(TLS_RECORD, then=b"1" * 1000, every=WHOLE_SECONDS / 1000) as url:
        check_left_in_time(url.replace("http:", "https:"))


def test_a_server_that_says_nothing_is_named_without_what_signs_its_address() -> None:
    with raw_server(b"", then=b"x", every=30) as url:
        assert check_left_in_time(f"{url}x?sig=hunter2") == f"not done within 0.5 s; last: {url}x: no answer yet"


def test_a_name_server_that_says_nothing_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: silent.wait())
    check_left_in_time("http://host.example/x.tar")
    silent.set()


def test_what_was_tried_again_last_is_said() -> None:
    def busy() -> None:
        raise LoaderError(Reason.SOURCE_UNREACHABLE, "the server has too many requests (HTTP 429)", retry_after=60)

    with pytest.raises(LoaderError) as raised:
        retry(busy, Deadline(0.2))
    assert raised.value.message == "not done within 0.2 s; last: the server has too many requests (HTTP 429)"


def test_a_trouble_that_passed_is_not_blamed() -> None:
    troubles = [LoaderError(Reason.SOURCE_UNREACHABLE, "HTTP 503")]
    deadline = Deadline(2)

    def work() -> None:
        if troubles:
            raise troubles.pop()

    retry(work, deadline)
    time.sleep(deadline.remaining(2))
    with pytest.raises(LoaderError) as raised:
        deadline.check()
    assert raised.value.message == "not done within 2 s"


def test_what_comes_of_work_with_a_deadline_is_what_comes_of_it_without() -> None:
    assert within(Deadline(), lambda: "done") == "done"
    with pytest.raises(TimeoutError, match="its own"):
        within(Deadline(5), lambda: _raise(TimeoutError("its own")))


def _raise(error: Exception) -> None:
    raise error
