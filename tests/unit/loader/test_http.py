"""The HTTP client: whom it trusts, where redirects lead it, and what it tells to whom."""

from pathlib import Path

import pytest

from tests.support.fetching import AUTHORIZATION, failure, fetch
from tests.support.tls import Authority
from tests.support.web import Page, Refusal, Web
from whisper_contract.reasons import Reason
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.http.client import MAX_REDIRECTS, Client

pytestmark = pytest.mark.usefixtures("no_proxies")


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
