"""What answers in S3's place, or speaks its protocol in part only: noticed, and never taken for the object."""

from dataclasses import replace

import pytest

from tests.support.web import Page, Web
from whisper_contract.reasons import Reason
from whisper_contract.uris import S3Source
from whisper_loader.access import Access
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.sources import listing
from whisper_loader.sources.s3 import source as s3_source
from whisper_loader.transfer import retry
from whisper_loader.transfer.parts import PartsReader

CONTENT = bytes(range(256)) * 40
PATH = "/models/small.tar"
OBJECT = S3Source("models", "small.tar")
PREFIX = S3Source("models", "folder/")
HTML = {"Content-Type": "text/html"}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.001)


def read(web: Web, then: Page | None = None) -> bytes:
    """Resolve the object and read it, after it became `then`."""
    resolved = s3_source.resolve(OBJECT, Access(endpoint=web.url, anonymous=True))
    if then is not None:
        web.serve(PATH, then)
    return PartsReader(resolved.files[0], Deadline()).read(len(CONTENT))


def test_an_answer_with_the_whole_is_the_object_when_the_whole_was_asked_for(web: Web) -> None:
    web.serve(PATH, Page(CONTENT, ranges=False))
    assert read(web) == CONTENT


def test_a_service_that_does_not_heed_conditions_is_found_out_by_its_etag(web: Web) -> None:
    page = Page(CONTENT, conditions=False)
    web.serve(PATH, page)
    assert read(web) == CONTENT
    with pytest.raises(LoaderError) as raised:
        read(web, replace(page, content=CONTENT[::-1], etag='"v2"'))
    assert raised.value.reason is Reason.SOURCE_CHANGED


@pytest.mark.parametrize("part", ["bytes 1-10240/10241", "bytes 0-10239/99999", "bytes 0-10238/10240", "junk"])
def test_other_bytes_than_were_asked_for_are_not_taken(part: str, web: Web) -> None:
    page = Page(CONTENT)
    web.serve(PATH, page)
    with pytest.raises(LoaderError, match="the range asked for") as raised:
        read(web, replace(page, headers={"Content-Range": part}))
    assert raised.value.reason is Reason.SOURCE_UNREACHABLE


@pytest.mark.parametrize("html", [b"<!DOCTYPE html><p>Console<br></p>", b"<html><p>Console</p></html>"])
@pytest.mark.parametrize("source", [OBJECT, PREFIX])
def test_a_web_page_in_s3s_place_says_to_check_the_endpoint(source: S3Source, html: bytes, web: Web) -> None:
    for path in (PATH, "/models"):
        web.serve(path, Page(html, etag=None, headers=HTML))
    with pytest.raises(LoaderError, match="does not speak S3's protocol") as raised:
        s3_source.resolve(source, Access(endpoint=web.url, anonymous=True))
    assert raised.value.reason is Reason.SOURCE_UNREACHABLE


@pytest.mark.parametrize("etag", ['"a\x1b[31mb"', '"a b"', '""'])
def test_an_etag_that_no_log_could_show_is_none_of_s3s(etag: str, web: Web) -> None:
    web.serve(PATH, Page(CONTENT, etag=etag))
    with pytest.raises(LoaderError, match="does not speak S3's protocol"):
        read(web)


def test_a_listing_without_end_is_not_read_to_its_end(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_LISTED", 10)
    entry = "<Contents><Key>folder/{0}</Key><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
    contents = "".join(entry.format(number) for number in range(11))
    page = f"<ListBucketResult>{contents}<IsTruncated>false</IsTruncated></ListBucketResult>"
    web.serve("/models", Page(page.encode(), ranges=False))
    with pytest.raises(LoaderError, match="more than 10 objects") as raised:
        s3_source.resolve(PREFIX, Access(endpoint=web.url, anonymous=True))
    assert raised.value.reason is Reason.UNSUPPORTED_FORMAT
