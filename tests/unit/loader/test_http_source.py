"""A URL as a source: what is read, what it is called, each way in which it fails, and that it tells no secret."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.archives import Archives
from tests.support.loader import Job, whisper_model
from tests.support.relay import cut_off
from tests.support.tls import Authority
from tests.support.web import Page, Refusal, Web
from whisper_contract.reasons import FAILURES, Reason
from whisper_contract.uris import HTTPSource
from whisper_loader.access import Access
from whisper_loader.errors import LoaderError
from whisper_loader.secrets import SecretFolder
from whisper_loader.source import Resolved
from whisper_loader.sources.web import source as web_source

CONTENT = bytes(range(256)) * 40
SECRETS = ("hunter2", "s3cr3t")
SIGNED = "?X-Amz-Credential=s3cr3t&X-Amz-Signature=hunter2"


@pytest.fixture
def archive(archives: Archives) -> bytes:
    return archives.whole().read_bytes()


def secret(tmp_path: Path, **keys: str) -> Path:
    folder = tmp_path / "secret"
    folder.mkdir(parents=True)
    for key, value in keys.items():
        (folder / key).write_text(value)
    return folder


def resolve(url: str, access: Access | None = None) -> Resolved:
    return web_source.resolve(HTTPSource(url), access or Access())


def read(resolved: Resolved, start: int = 0, stop: int | None = None) -> bytes:
    content = b""
    with closing(resolved.files[0].open(start, stop)) as stream:
        while data := stream.read(1000):
            content += data
    return content


def failure(url: str, access: Access | None = None) -> LoaderError:
    with pytest.raises(LoaderError) as raised:
        read(resolve(url, access))
    assert not [word for word in SECRETS if word in str(raised.value)]
    return raised.value


@pytest.mark.parametrize("suffix", [".tar", ".tar.zst", ".tar.gz"])
def test_an_archive_is_pulled_in_parts_and_published_under_its_etag(
    suffix: str, job: Job, web: Web, archives: Archives
) -> None:
    url = web.serve(f"/models/whisper{suffix}", Page(archives.whole(suffix).read_bytes(), etag='"abc-1"'))
    for step in (("pull", url), ("convert",), ("publish",)):
        done = job.step(*step)
        assert done.exit_code == 0, done.errors
    assert job.message().source == f"{url}#etag=abc-1"
    assert all(request.headers["if-match"] == '"abc-1"' for request in web.requests[1:])


def test_the_parts_are_those_that_were_asked_for(web: Web) -> None:
    resolved = resolve(web.serve("/x", Page(CONTENT)))
    assert (resolved.size, resolved.files[0].ranged) == (len(CONTENT), True)
    assert read(resolved, 10, 500) == CONTENT[10:500]
    assert read(resolved, 10_000) == CONTENT[10_000:]


@pytest.mark.parametrize(
    ("page", "fragment"),
    [
        (Page(CONTENT, etag='"v1"'), "etag=v1"),
        (Page(CONTENT, etag='"a b/ü&c"'), "modified=2026-11-02T10:00:00Z&size=10240"),
        (Page(CONTENT, etag='"a/&c#"'), "etag=a/%26c%23"),
        (Page(CONTENT, etag='W/"v1"'), "modified=2026-11-02T10:00:00Z&size=10240"),
        (Page(CONTENT, etag=None), "modified=2026-11-02T10:00:00Z&size=10240"),
        (Page(CONTENT, ranges=False), "etag=v1"),
        (Page(CONTENT, etag=None, ranges=False), "modified=2026-11-02T10:00:00Z&size=10240"),
    ],
)
def test_content_is_known_by_its_strong_etag_or_by_time_and_size(page: Page, fragment: str, web: Web) -> None:
    url = web.serve("/x.tar", page)
    resolved = resolve(url)
    assert resolved.identity == resolve(url).identity == f"{url}#{fragment}"
    assert read(resolved) == CONTENT


@pytest.mark.parametrize("page", [Page(CONTENT, etag=None, modified=None), Page(CONTENT, etag='W/"1"', modified="x")])
def test_content_that_nothing_tells_apart_is_new_each_time_and_read_in_one_go(page: Page, web: Web) -> None:
    url = web.serve("/x.tar", page)
    resolved = resolve(url)
    assert resolved.identity != resolve(url).identity
    assert not resolved.files[0].ranged
    assert read(resolved) == CONTENT


def test_a_query_that_chooses_the_content_is_part_of_the_identity_and_a_signature_is_not(web: Web) -> None:
    url = web.serve("/x.tar", Page(CONTENT))
    plain, signed, chosen, other = (resolve(url + query).identity for query in ("", SIGNED, "?id=1", "?id=2"))
    assert plain == signed == f"{url}#etag=v1"
    assert len({plain, chosen, other}) == 3
    assert "id=1" not in chosen


def test_a_size_that_is_not_told_is_no_hindrance(job: Job, web: Web, archive: bytes) -> None:
    url = web.serve("/x.tar.zst", Page(archive, length=False, ranges=False, etag=None, modified=None))
    done = job.step("pull", url)
    assert done.exit_code == 0, done.errors
    assert "it is pulled anew each time" in done.errors


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "identity"])
def test_a_file_that_is_labelled_as_what_it_is_comes_as_it_is(
    encoding: str, job: Job, web: Web, archives: Archives
) -> None:
    content = archives.whole(".tar.gz").read_bytes()
    url = web.serve("/x.tar.gz", Page(content, headers={"Content-Encoding": encoding}))
    assert job.step("pull", url).exit_code == 0


def test_an_encoding_that_nobody_asked_for_is_refused(web: Web) -> None:
    error = failure(web.serve("/x", Page(CONTENT, headers={"Content-Encoding": "br"})))
    assert (error.reason, "Content-Encoding" in error.message) == (Reason.UNSUPPORTED_FORMAT, True)


WAYS = {
    "token": ({"token": "hunter2\n"}, {"Authorization": "Bearer hunter2"}),
    "basic": ({"username": "me", "password": "s3cr3t:ü"}, {"Authorization": "Basic bWU6czNjcjN0OsO8"}),
    "headers": (
        {"headers": "Private-Token: hunter2\n\nX-Team:  speech \n"},
        {"Private-Token": "hunter2", "X-Team": "speech"},
    ),
    "both": ({"headers": "X-Key: s3cr3t", "token": "hunter2"}, {"X-Key": "s3cr3t", "Authorization": "Bearer hunter2"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_a_secret_opens_what_is_closed(
    way: str, job: Job, web: Web, archive: bytes, tmp_path: Path
) -> None:
    keys, wants = WAYS[way]
    url = web.serve("/x.tar.zst", Page(archive, wants=wants))
    done = job.step("pull", url, "--secret-dir", secret(tmp_path, **keys))
    assert done.exit_code == 0, done.errors
    assert not [word for word in SECRETS if word in done.output + done.errors]


def test_storage_on_another_host_never_sees_the_secret(web: Web, tmp_path: Path) -> None:
    access = Access(secret=SecretFolder(secret(tmp_path, headers="Private-Token: hunter2", token="s3cr3t")))
    with Web.start() as storage:
        signed = storage.serve("/blob", Page(CONTENT)) + SIGNED
        url = web.serve("/x.tar", Page(refusals=[Refusal(307, {"Location": signed})] * 3))
        resolved = resolve(url, access)
        assert read(resolved, 5, 10) == CONTENT[5:10]
    assert resolved.identity == f"{url}#etag=v1"
    assert not [request for request in storage.requests if {"private-token", "authorization"} & set(request.headers)]


def test_asking_anonymously_leaves_the_secret_at_home(web: Web, tmp_path: Path) -> None:
    access = Access(secret=SecretFolder(secret(tmp_path, token="hunter2")))
    url = web.serve("/x", Page(CONTENT, wants={"Authorization": "Bearer hunter2"}))
    assert read(resolve(url, access)) == CONTENT
    assert failure(url, replace(access, anonymous=True)).reason is Reason.UNAUTHORIZED


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"other": "x"}, "needs token, or username and password, or headers; it has other"),
        ({"username": "me"}, "username (without a colon) and password"),
        ({"password": "hunter2"}, "username (without a colon) and password"),
        ({"username": "a:b", "password": "hunter2"}, "username (without a colon) and password"),
        ({"token": "hun\nter2"}, "token holds nothing, or characters that no header carries"),
        ({"headers": "hunter2"}, "line 1 of headers is not `Name: value`"),
        ({"headers": "X-A: b\nBad Name: hunter2"}, "line 2 of headers is not `Name: value`"),
        ({"headers": "Range: bytes=0-1"}, "line 1 of headers sets Range"),
        ({"headers": "X-Key: hünter2"}, "line 1 of headers holds nothing, or characters"),
    ],
)
def test_a_secret_that_cannot_be_used_says_which_key(keys: dict[str, str], sentence: str, tmp_path: Path) -> None:
    error = failure("http://127.0.0.1:1/x", Access(secret=SecretFolder(secret(tmp_path, **keys))))
    assert (error.reason, sentence in error.message) == (Reason.SECRET_KEY_MISSING, True), error.message


def refused(status: int, times: int = 20, **headers: str) -> Page:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Page(CONTENT, refusals=[Refusal(status, named)] * times)


FAULTS: dict[str, tuple[Page, Reason, str]] = {
    "absent": (refused(404), Reason.SOURCE_NOT_FOUND, "nothing at this address (HTTP 404)"),
    "gone": (refused(410), Reason.SOURCE_NOT_FOUND, "nothing at this address (HTTP 410)"),
    "forbidden": (refused(403), Reason.UNAUTHORIZED, "or the signed address has expired (HTTP 403)"),
    "wants credentials": (Page(CONTENT, wants={"Authorization": "x"}), Reason.UNAUTHORIZED, "(HTTP 401)"),
    "refused": (refused(400), Reason.SPEC_INVALID, "the server refused the request (HTTP 400)"),
    "overloaded": (refused(503), Reason.SOURCE_UNREACHABLE, "the server failed (HTTP 503)"),
    "too many requests": (refused(429, Retry_After="0"), Reason.SOURCE_UNREACHABLE, "too many requests (HTTP 429)"),
    "a loop": (refused(302, Location="/model.tar"), Reason.SPEC_INVALID, "more than 10 redirects"),
    "an empty file": (Page(b""), Reason.UNSUPPORTED_FORMAT, "the file is empty"),
    "a login page": (Page(b"<!DOCTYPE html><html>Log in"), Reason.UNSUPPORTED_FORMAT, "a web page"),
    "another part": (
        Page(CONTENT, headers={"Content-Range": "bytes 7-8/10240"}),
        Reason.SOURCE_UNREACHABLE,
        "another range than asked for",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_each_fault_has_its_reason_and_tells_no_secret(case: str, job: Job, web: Web, tmp_path: Path) -> None:
    page, reason, sentence = FAULTS[case]
    url = web.serve("/model.tar", replace(page, refusals=list(page.refusals)))
    arguments = (url + SIGNED, "--secret-dir", secret(tmp_path, token="hunter2"))
    assert sentence in job.fails(reason, "pull", *arguments, never_told=SECRETS)


@pytest.mark.parametrize("length", [True, False])
def test_a_body_that_ends_early_is_no_whole_archive(length: object, job: Job, web: Web, archive: bytes) -> None:
    if length:
        page = Page(archive, ranges=False, headers={"Content-Length": str(len(archive) + 1000)})
    else:
        page = Page(archive[:-1000], length=False, ranges=False)
    done = job.step("pull", web.serve("/x.tar.zst", page))
    assert done.exit_code == FAILURES[Reason.SOURCE_UNREACHABLE if length else Reason.CHECKSUM_MISMATCH].exit_code
    assert "the next attempt starts anew" in done.errors or not length, done.errors


def test_an_address_orders_no_terminal_about(web: Web, store: Path) -> None:
    web.serve("/%C2%9B2J.tar", Page(b"no archive"))
    done = whisper_model("pull", f"{web.url}/\x9b2J.tar", "--store", store)
    assert (done.exit_code, r"pulling http://" in done.errors, r"/\x9b2J.tar#etag=" in done.errors) == (71, True, True)
    assert "\x9b" not in done.errors


def test_nothing_that_a_pull_leaves_holds_the_signature(web: Web, archive: bytes, store: Path, tmp_path: Path) -> None:
    url = web.serve("/x.tar.zst", Page(archive)) + SIGNED
    folder = secret(tmp_path, headers="X-Key: s3cr3t")
    done = whisper_model("pull", url, "--store", store, "--secret-dir", folder, "--json")
    assert done.exit_code == 0, done.errors
    written = [path.read_bytes() for path in store.rglob("*.json")]
    assert written
    for text in (done.output.encode(), done.errors.encode(), *written):
        assert not [word for word in (*SECRETS, "X-Amz") if word.encode() in text]


def test_a_server_that_is_overloaded_for_a_while_is_waited_for(job: Job, web: Web, archive: bytes) -> None:
    page = Page(archive, refusals=[Refusal(503), Refusal(429, {"Retry-After": "1"})])
    assert job.step("pull", web.serve("/x.tar.zst", page)).exit_code == 0


def test_a_download_that_breaks_off_goes_on_where_it_broke(job: Job, web: Web, archive: bytes) -> None:
    web.serve("/x.tar.zst", Page(archive))
    with cut_off(("127.0.0.1", web.port), after_bytes=len(archive) // 2, times=2) as relay:
        done = job.step("pull", f"{relay.endpoint}/x.tar.zst")
    assert done.exit_code == 0, done.errors
    assert relay.cuts == 2
    assert done.progress[-1].bytes_done == len(archive)


@pytest.mark.parametrize("heeds", [True, False])
@pytest.mark.parametrize("etag", ['"v1"', None])
@pytest.mark.parametrize("ranges", [True, False])
def test_content_that_is_replaced_is_noticed_even_by_a_server_that_heeds_no_condition(
    heeds: object, etag: str | None, ranges: object, web: Web
) -> None:
    page = Page(CONTENT, etag=etag, conditions=bool(heeds), ranges=bool(ranges))
    resolved = resolve(web.serve("/x", page))
    page.content, page.modified = CONTENT[::-1], "Tue, 03 Nov 2026 10:00:00 GMT"
    page.etag = None if etag is None else '"v2"'
    with pytest.raises(LoaderError) as raised:
        read(resolved, 0, 100 if ranges else None)
    assert raised.value.reason is Reason.SOURCE_CHANGED


def test_a_server_that_stops_serving_parts_is_worth_another_try(web: Web) -> None:
    page = Page(CONTENT)
    resolved = resolve(web.serve("/x", page))
    page.ranges = False
    with pytest.raises(LoaderError, match="another range than asked for") as raised:
        read(resolved, 100, 200)
    assert raised.value.reason is Reason.SOURCE_UNREACHABLE


def test_nobody_listening_is_unreachable(job: Job) -> None:
    url = "http://127.0.0.1:1/x.tar" + SIGNED
    assert "nothing answers there" in job.fails(Reason.SOURCE_UNREACHABLE, "pull", url, never_told=SECRETS)


def test_a_body_that_drips_is_left_at_the_deadline(job: Job, web: Web, archive: bytes) -> None:
    url = web.serve("/x.tar.zst", Page(archive, seconds_per_byte=0.3))
    job.fails(Reason.DEADLINE_EXCEEDED, "pull", url, "--timeout", "4")


def test_a_server_with_a_certificate_of_the_companys_own(job: Job, archive: bytes, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Web.start(authority.server("127.0.0.1")) as web:
        url = web.serve("/x.tar.zst", Page(archive))
        assert "certificate is not trusted" in job.fails(Reason.SOURCE_UNREACHABLE, "pull", url)
        done = job.step("pull", url, "--ca-bundle", authority.file)
    assert done.exit_code == 0, done.errors


def test_a_put_carries_the_archive_and_the_secret(web: Web, archives: Archives, tmp_path: Path) -> None:
    page = Page(wants={"Authorization": "Bearer hunter2"})
    web.serve("/models/whole.tar.zst", page)
    arguments = (archives.whole(), f"{web.url}/models/", "--secret-dir", secret(tmp_path, token="hunter2"))
    done = whisper_model("push", *arguments)
    assert done.exit_code == 0, done.errors
    assert page.content == archives.whole().read_bytes()
    assert "hunter2" not in done.output + done.errors
    (request,) = web.requests
    assert (request.method, request.headers["content-length"]) == ("PUT", str(len(page.content)))
    assert "transfer-encoding" not in request.headers


@pytest.mark.parametrize("status", [307, 403, 503])
def test_a_put_that_is_refused_tells_no_signature(status: int, web: Web, tmp_path: Path) -> None:
    url = web.serve("/x.tar", refused(status, Location="/elsewhere"))
    file = tmp_path / "x.tar"
    file.write_bytes(CONTENT)
    done = whisper_model("push", file, url + SIGNED)
    assert done.exit_code != 0
    assert not [word for word in SECRETS if word in done.output + done.errors]
