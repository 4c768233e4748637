"""The HTTP client: whom it trusts, which way it takes, what it tells to whom, and when it gives up."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.proxy import ForwardProxy
from tests.support.raw import raw_server
from tests.support.tls import Authority
from tests.support.web import Page, Refusal, Web
from whisper_contract.reasons import Reason
from whisper_loader.access import Access
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import MAX_REDIRECTS, Client
from whisper_loader.http.errors import parse_retry_after
from whisper_loader.http.proxies import Proxies
from whisper_loader.http.ranges import parse_content_range, parse_length
from whisper_loader.sources.web.version import parse_version

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
AUTHORIZATION = {"Authorization": "Bearer hunter2", "Private-Token": "hunter2", "Range": "bytes=0-1"}


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def web() -> Iterator[Web]:
    with Web.start() as web:
        yield web


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def fetch(url: str, access: Access | None = None, headers: dict[str, str] | None = None) -> bytes:
    answer = Client(access or Access()).get(url, "the page", headers)
    if not answer.ok:
        raise answer.failure()
    return answer.document()


def failure(url: str, access: Access | None = None, headers: dict[str, str] | None = None) -> LoaderError:
    with pytest.raises(LoaderError) as raised:
        fetch(url, access, headers)
    assert "hunter2" not in str(raised.value)
    return raised.value


def test_a_certificate_of_an_unknown_authority_is_refused_with_what_would_help(authority: Authority) -> None:
    with Web.start(authority.server("127.0.0.1")) as web:
        error = failure(web.serve("/x", Page(b"x")))
    assert error.reason is Reason.SOURCE_UNREACHABLE
    assert "certificate is not trusted" in error.message
    assert "--ca-bundle" in error.message


def test_a_ca_bundle_makes_its_authority_trusted(authority: Authority) -> None:
    with Web.start(authority.server("127.0.0.1")) as web:
        assert fetch(web.serve("/x", Page(b"x")), Access(ca_bundle=authority.file)) == b"x"


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    with Web.start(authority.server("elsewhere.example")) as web:
        error = failure(web.serve("/x", Page(b"x")), Access(ca_bundle=authority.file))
    assert "127.0.0.1" in error.message


def test_a_ca_bundle_stands_in_place_of_all_others(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other")
    with Web.start(authority.server("127.0.0.1")) as web:
        assert "not trusted" in failure(web.serve("/x", Page(b"x")), Access(ca_bundle=other.file)).message


def test_a_ca_bundle_without_certificates_is_the_specs_fault(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(LoaderError) as raised:
        Client(Access(ca_bundle=tmp_path / "empty.pem"))
    assert raised.value.reason is Reason.SPEC_INVALID


def test_a_port_without_tls_is_told(web: Web) -> None:
    error = failure(web.url.replace("http:", "https:"))
    assert error.reason is Reason.SOURCE_UNREACHABLE
    assert "no TLS connection" in error.message


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_asked_with_its_credentials_which_the_server_never_sees(
    scheme: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = authority.server("127.0.0.1") if scheme == "https" else None
    with Web.start(tls) as web, ForwardProxy.start("user:p@ss:word") as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://user:p%40ss%3Aword@{proxy.address}")
        assert fetch(web.serve("/x", Page(b"x")), Access(ca_bundle=authority.file)) == b"x"
    assert proxy.asked == [f"CONNECT 127.0.0.1:{web.port}" if scheme == "https" else f"GET {web.url}/x"]
    assert "proxy-authorization" not in web.requests[0].headers


def test_what_goes_to_the_server_stays_hidden_from_the_proxy_of_a_tls_connection(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Web.start(authority.server("127.0.0.1")) as web, ForwardProxy.start() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        fetch(web.serve("/x", Page(b"x")), Access(ca_bundle=authority.file), AUTHORIZATION)
    assert [{"authorization", "private-token"} & sent for sent in proxy.headers] == [set()]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("user", ["", "user:hunter2@"])
def test_a_proxy_that_wants_other_credentials_is_told_as_such(
    scheme: str, user: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Web.start(authority.server("127.0.0.1") if scheme == "https" else None) as web,
        ForwardProxy.start("user:pass") as proxy,
    ):
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", f"http://{user}{proxy.address}")
        error = failure(web.url + "/x", Access(ca_bundle=authority.file))
    assert error.reason is Reason.SPEC_INVALID
    assert "the proxy wants other credentials" in error.message
    assert web.requests == []


def test_a_proxy_that_refuses_to_connect_is_told_with_its_status(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Web.start(authority.server("127.0.0.1")) as web, ForwardProxy.start() as proxy:
        proxy.refuses = 403
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        error = failure(web.url + "/x", Access(ca_bundle=authority.file))
    assert error.reason is Reason.SOURCE_UNREACHABLE
    assert "the proxy does not connect to it (HTTP 403)" in error.message


def test_a_proxy_that_is_not_there_is_told(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:hunter2@127.0.0.1:1")
    error = failure(web.url + "/x")
    assert (error.reason, error.message) == (Reason.SOURCE_UNREACHABLE, "the page: the proxy does not answer")


@pytest.mark.parametrize("value", ["socks5://proxy.example:1080", "http://", "http://[x", "http://host:port"])
def test_a_proxy_that_is_no_url_is_the_specs_fault(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(LoaderError, match="HTTPS_PROXY must be a URL") as raised:
        Client(Access())
    assert raised.value.reason is Reason.SPEC_INVALID


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("", "https://hub.example/", False),
        ("*", "https://hub.example/", True),
        ("hub.example", "https://hub.example/", True),
        ("hub.example", "https://HUB.example:8443/", True),
        ("hub.example", "https://nothub.example/", False),
        ("hub.example", "https://cdn.hub.example/", True),
        (".hub.example", "https://cdn.hub.example/", True),
        ("*.hub.example", "https://cdn.hub.example/", True),
        ("other, .svc,.cluster.local", "http://minio.storage.svc:9000/", True),
        ("hub.example:443", "https://hub.example/", True),
        ("hub.example:8443", "https://hub.example/", False),
        ("10.0.0.0/8", "http://10.1.2.3:9000/", True),
        ("10.0.0.0/8", "http://11.1.2.3:9000/", False),
        ("10.1.2.3", "http://10.1.2.3/", True),
        ("10.1.2.3:9000", "http://10.1.2.3:9000/", True),
        ("10.0.0.0/8", "http://ten.example/", False),
        ("::1", "http://[::1]:9000/", True),
        ("[::1]", "http://[::1]:9000/", True),
        ("fd00::/8", "http://[fd00::1]/", True),
        ("[::", "http://[::1]/", False),
        ("host:port", "http://host/", False),
    ],
)
def test_no_proxy_names_what_is_reached_directly(
    no_proxy: str, url: str, direct: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("HTTP_PROXY", "p.example:1"), ("HTTPS_PROXY", "p.example:1"), ("NO_PROXY", no_proxy)):
        monkeypatch.setenv(name, value)
    assert (Proxies.from_environment().find(url) is None) is direct


def test_a_host_of_no_proxy_is_asked_itself(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    assert fetch(web.serve("/x", Page(b"x"))) == b"x"


def redirect(web: Web, path: str, target: str, status: int = 302) -> str:
    page = Page(refusals=[Refusal(status, {"Location": target})] * (MAX_REDIRECTS + 2))
    return web.serve(path, page)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_host_is_followed_with_the_credentials(status: int, web: Web) -> None:
    web.serve("/there", Page(b"x", wants={"Authorization": "Bearer hunter2", "Private-Token": "hunter2"}))
    assert fetch(redirect(web, "/here", "there?signed=1", status), headers=AUTHORIZATION) == b"x"


def test_a_redirect_to_another_host_takes_no_credentials_along(web: Web) -> None:
    with Web.start() as other:
        fetch(redirect(web, "/here", other.serve("/there", Page(b"xyz"))), headers=AUTHORIZATION)
    (request,) = other.requests
    assert not {"authorization", "private-token"} & set(request.headers)
    assert request.headers["range"] == "bytes=0-1"


def test_credentials_do_not_come_back_when_a_redirect_leads_home_again(web: Web) -> None:
    web.serve("/end", Page(b"x"))
    with Web.start() as other:
        fetch(redirect(web, "/here", redirect(other, "/away", f"{web.url}/end")), headers=AUTHORIZATION)
    assert "authorization" not in web.requests[-1].headers


def test_a_redirect_loop_ends(web: Web) -> None:
    error = failure(redirect(web, "/loop", "/loop"))
    assert (error.reason, len(web.requests)) == (Reason.SPEC_INVALID, MAX_REDIRECTS + 1)
    assert "more than 10 redirects" in error.message


def test_a_redirect_from_https_to_http_is_not_followed(web: Web, authority: Authority) -> None:
    with Web.start(authority.server("127.0.0.1")) as secure:
        url = redirect(secure, "/here", web.serve("/there", Page(b"x")))
        error = failure(url, Access(ca_bundle=authority.file))
    assert "from https to http" in error.message
    assert web.requests == []


@pytest.mark.parametrize(
    "target", ["ftp://host/x", "file:///etc/passwd", "https:///x", "http://[bad", "http://h:port/"]
)
def test_a_redirect_to_no_web_address_is_not_followed(target: str, web: Web) -> None:
    error = failure(redirect(web, "/here", target))
    assert (error.reason, error.message) == (Reason.SPEC_INVALID, "the page: the redirect leads to no web address")


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
    status: int, headers: dict[str, str], body: bytes
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with raw_server(f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode("latin-1") + body) as url, suppress(LoaderError):
        fetch(url, Access(deadline=Deadline(5)))
