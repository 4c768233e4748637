"""The HTTP client and proxies: which way it takes, and what the proxy gets to see."""

import pytest

from tests.support.fetching import AUTHORIZATION, failure, fetch
from tests.support.proxy import ForwardProxy
from tests.support.tls import Authority
from tests.support.web import Page, Web
from whisper_contract.reasons import Reason
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import Client
from whisper_loader.http.proxies import Proxies

pytestmark = pytest.mark.usefixtures("no_proxies")


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
