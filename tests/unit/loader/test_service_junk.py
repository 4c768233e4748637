"""What answers in a service's place and is none of its documents: always the loader's error, never a crash."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.web import Page, Web
from whisper_contract.reasons import Reason
from whisper_contract.uris import GCSSource, GoogleDriveSource, HuggingFaceSource, Source
from whisper_loader.access import Access
from whisper_loader.deadline import Deadline
from whisper_loader.errors import LoaderError
from whisper_loader.secrets import SecretFolder
from whisper_loader.sources import listing
from whisper_loader.sources.hub import client
from whisper_loader.sources.resolve import resolve

pytestmark = pytest.mark.slow

OBJECT, LISTING = GCSSource("models", "m.tar"), GCSSource("models", "m/")
FILE, REPOSITORY = GoogleDriveSource("1AbC_d-EfGhIj"), HuggingFaceSource("org/name")
PATHS: dict[Source, str] = {
    OBJECT: "/storage/v1/b/models/o/m.tar",
    LISTING: "/storage/v1/b/models/o",
    FILE: "/drive/v3/files/1AbC_d-EfGhIj",
    REPOSITORY: "/api/models/org/name/revision/main",
}
DEPTH = b'{"size": ' + b"[" * 200_000
NUMBERS = ["Infinity", "-1", "1e400", '"0x10"', "9" * 5_000, '"\\u0661"', "null", "[]", "{}", "true", '"-5"', '" 5"']


def documents(fields: dict[str, Any], key: str, values: list[str]) -> list[bytes]:
    """Return documents whose field `key` is each of the values in JSON."""
    told = json.dumps({name: value for name, value in fields.items() if name != key})[:-1]
    return [f'{told}, "{key}": {value}}}'.encode() for value in values]


GCS = {"name": "m.tar", "generation": "1", "size": "5"}
DRIVE = {"id": "1", "name": "m", "size": "5", "mimeType": "application/x-tar", "md5Checksum": "0" * 32}
SIBLING = {"rfilename": "model.safetensors", "size": 5, "blobId": "0" * 40}
HUB = {"id": "org/name", "sha": "0" * 40}
NO_SIZES: list[Any] = ["5", -1, 5.5, [], True, float("inf")]
NO_HASHES: list[Any] = [5, [], {}]
FILES = [{"rfilename": "config.json", "size": 5}, {"rfilename": "tokenizer.json", "size": 5}]


def siblings(**fields: Any) -> bytes:
    return json.dumps({**HUB, "siblings": [{**SIBLING, **fields}, *FILES]}).encode()


CASES: list[tuple[Source, bytes]] = [
    *((OBJECT, content) for content in documents(GCS, "size", NUMBERS)),
    *((OBJECT, content) for content in documents(GCS, "generation", NUMBERS)),
    *((OBJECT, content) for content in documents(GCS, "name", ['"\\ud800"'])),
    *((LISTING, content) for content in documents({}, "items", ["5", '"x"', "[5]", "[{}]", '{"x": 5}', "[null]"])),
    *((LISTING, content) for content in documents({"items": []}, "nextPageToken", ["5", '"\\ud800"', "[1]"])),
    *((FILE, content) for content in documents(DRIVE, "size", NUMBERS)),
    *(
        (FILE, content)
        for content in documents({"size": "5"}, "md5Checksum", ["5", "[]", "{}", '""', "true", '"a\\nb"'])
    ),
    (FILE, b'{"mimeType": "application/vnd.google-apps.shortcut", "shortcutDetails": "x"}'),
    *((REPOSITORY, siblings(size=size)) for size in NO_SIZES),
    *((REPOSITORY, siblings(lfs={"sha256": one, "size": 5, "pointerSize": 5})) for one in NO_HASHES),
    *((REPOSITORY, content) for content in documents(HUB, "siblings", ["5", '"x"', "[5]", "[{}]", "{}"])),
    *((source, content) for source in PATHS for content in (b"", b"[]", b"null", b"<html>", b"\xff", DEPTH)),
]


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with Web.start() as web:
        yield web


def access(web: Web, source: Source, folder: Path) -> Access:
    (folder / "apiKey").write_text("key")
    secret = SecretFolder(folder) if source is FILE else None
    return Access(endpoint=web.url, anonymous=source is not FILE, secret=secret, deadline=Deadline(30))


@pytest.mark.parametrize(("source", "content"), CASES, ids=lambda value: repr(value)[:60])
def test_a_document_of_junk_is_told_as_what_it_is(
    source: Source, content: bytes, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whisper_loader.transfer.retry.FIRST_PAUSE_SECONDS", 0.001)
    web.serve(PATHS[source], Page(content, headers={"Content-Type": "application/json"}))
    with pytest.raises(LoaderError) as raised:
        resolve(source, access(web, source, tmp_path))
    assert raised.value.reason in (Reason.SOURCE_UNREACHABLE, Reason.SPEC_INVALID, Reason.UNSUPPORTED_FORMAT)


@pytest.mark.parametrize(
    ("content", "headers", "why"),
    [
        (b'{"id": "org/name"}', {}, "too long to be what it should be"),
        (gzip.compress(b"{}"), {"Content-Encoding": "gzip"}, "not asked for"),
    ],
    ids=["without end", "compressed"],
)
def test_no_answer_of_a_hub_takes_more_memory_than_a_document(
    content: bytes, headers: dict[str, str], why: str, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_DOCUMENT", len(content) - 1 if not headers else 1000)
    web.serve(PATHS[REPOSITORY], Page(content, headers={"Content-Type": "application/json", **headers}))
    with pytest.raises(LoaderError, match=why) as raised:
        resolve(REPOSITORY, access(web, REPOSITORY, tmp_path))
    assert (raised.value.reason, "hf://org/name" in raised.value.message) == (Reason.SPEC_INVALID, True)


def test_pages_of_a_listing_without_end_are_not_read_to_their_end(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_LISTED", 20)
    web.serve(PATHS[LISTING], Page(b'{"nextPageToken": "again"}'))
    with pytest.raises(LoaderError, match="more than 20 objects"):
        resolve(LISTING, access(web, LISTING, tmp_path))
