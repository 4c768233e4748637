"""Source URIs come back as they were read, and what is none is refused with what was expected."""

import os
import re
from contextlib import suppress
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_contract.uris import (
    FileSource,
    GCSSource,
    GoogleDriveSource,
    HTTPSource,
    HuggingFaceSource,
    OCISource,
    S3Source,
    Source,
    SourceURIError,
    parse_source,
    shown,
)

printable = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))
keys = st.text(printable, min_size=1, max_size=40)
buckets = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]", fullmatch=True)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
revisions = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,30}", fullmatch=True).filter(lambda text: ".." not in text)
objects = st.builds(
    S3Source, buckets, keys.filter(lambda key: not key.endswith("/")), st.none() | st.text(printable, min_size=1)
)
prefixes = st.builds(S3Source, buckets, keys.map(lambda key: key + "/"))
repositories = st.builds(HuggingFaceSource, st.builds("{}/{}".format, names, names) | names, revisions)
paths = st.builds(FileSource, keys.map(lambda key: PurePosixPath("/", key)))
generations = st.none() | st.integers(1, 2**63 - 1).map(str)
cloud_objects = st.builds(GCSSource, buckets, keys.filter(lambda key: not key.endswith("/")), generations)
drive_files = st.builds(GoogleDriveSource, st.from_regex(r"[A-Za-z0-9_-]{10,50}", fullmatch=True))
registries = st.sampled_from(["ghcr.io", "localhost:5000", "10.0.0.1:80", "[::1]:5000"])
references = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}|sha256:[0-9a-f]{64}", fullmatch=True)
inner_paths = keys.map(lambda key: key.strip("/")).filter(lambda path: ".." not in path.split("/"))
images = st.builds(
    OCISource,
    registries,
    st.from_regex(r"[a-z0-9]{1,9}(/[a-z0-9_-]{0,3}[a-z0-9])?", fullmatch=True).filter(
        lambda name: (
            "___" not in name and "_-" not in name and "-_" not in name and "/_" not in name and "/-" not in name
        )
    ),
    references,
    inner_paths,
)
urls = st.builds(HTTPSource, st.sampled_from(["https://host/a.tar", "http://10.0.0.1:80/b?c=d", "https://[::1]/x%20y"]))


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
def test_a_path_may_have_any_bytes(name: bytes) -> None:
    path = PurePosixPath("/", os.fsdecode(name))
    assert parse_source(str(FileSource(path))) == FileSource(path)
    assert str(FileSource(path)).isascii()


@given(objects | prefixes | repositories | paths | cloud_objects | drive_files | images | urls)
def test_a_source_is_read_as_it_was_written(source: Source) -> None:
    assert parse_source(str(source)) == source


@given(
    st.text()
    | st.builds(
        "{}://{}".format, st.sampled_from(["s3", "gs", "gdrive", "hf", "oci", "http", "https", "file"]), st.text()
    )
)
def test_any_text_is_a_source_or_refused(text: str) -> None:
    with suppress(SourceURIError):
        parse_source(text)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("s3://models/a/b.tar", S3Source("models", "a/b.tar")),
        ("s3://models/a/b.tar?versionId=3%2F4", S3Source("models", "a/b.tar", "3/4")),
        ("s3://models/a//b", S3Source("models", "a//b")),
        ("S3://models/a b+c.tar", S3Source("models", "a b+c.tar")),
        ("hf://org/name", HuggingFaceSource("org/name", "main")),
        ("hf://org/name@refs/pr/1", HuggingFaceSource("org/name", "refs/pr/1")),
        ("gs://models/a/b.tar#17", GCSSource("models", "a/b.tar", "17")),
        ("gs://models/a/", GCSSource("models", "a/")),
        ("gdrive://1AbC_d-EfGhIj", GoogleDriveSource("1AbC_d-EfGhIj")),
        ("oci://ghcr.io/org/whisper", OCISource("ghcr.io", "org/whisper", "latest")),
        ("./s3:x", FileSource(PurePosixPath("s3:x"))),
        ("oci://localhost:5000/w:v1#/models/w/", OCISource("localhost:5000", "w", "v1", "models/w")),
        (f"oci://r.io/w@sha256:{'a' * 64}", OCISource("r.io", "w", f"sha256:{'a' * 64}")),
        (f"oci://r.io/w:v1@sha256:{'a' * 64}", OCISource("r.io", "w", f"sha256:{'a' * 64}")),
        ("https://host/a.tar?X-Signature=1", HTTPSource("https://host/a.tar?X-Signature=1")),
        ("file:///a%20b/c", FileSource(PurePosixPath("/a b/c"))),
        ("file://localhost/a", FileSource(PurePosixPath("/a"))),
        ("a/b.tar", FileSource(PurePosixPath("a/b.tar"))),
        ("/a/b?c#d", FileSource(PurePosixPath("/a/b?c#d"))),
    ],
)
def test_what_people_write_is_understood(text: str, source: Source) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("a\nb", "control character"),
        ("s3:/models/key", "^that is no path: a source begins with s3://"),
        (" s3://models/key", "^that is no path: a source begins with s3://"),
        ("me:secret@host/key", "^that is no path: a source begins with s3://"),
        ("gopher://x/y", "gopher:// is not a kind of source"),
        ("s3://models", "expected s3://bucket/key"),
        ("s3://models/", "expected s3://bucket/key"),
        ("s3://a/key", "not a bucket's name"),
        ("s3:///key", "not a bucket's name"),
        ("s3://key:secret@models/key", "^s3:// and a bucket hold no credentials: give them in a Secret$"),
        ("file:///a%00b", "a path holds no NUL"),
        ("s3://models/key#part", "write # in a key as %23"),
        ("s3://models/key?other=1", "only [?]versionId"),
        ("s3://models/key?versionId=", "only [?]versionId"),
        ("s3://models/prefix/?versionId=1", "a prefix has no versionId"),
        ("s3://[models/key", "not a URI"),
        ("s3://mod\u2100els/key", "not a URI"),
        ("gs://models/key?x=1", "write [?] in an object's name as %3F"),
        ("gs://models/key#new", "a generation is a number"),
        ("gs://models/prefix/#1", "a prefix has no generation"),
        ("gs://me:secret@models/key", "^gs:// and a bucket hold no credentials"),
        ("gdrive://short", "expected gdrive://FILEID"),
        ("oci://ghcr.io", "expected oci://registry/name:tag#path"),
        ("oci://ghcr.io/Upper/case", "expected oci://registry/name:tag#path"),
        ("oci://ghcr.io/w:.x", "neither a tag nor a digest"),
        ("oci://ghcr.io/w@sha256:12", "neither a tag nor a digest"),
        ("oci://ghcr.io/w#a/../b", "may not climb"),
        ("https://me:secret@host/a", "^a URL holds no credentials: give them in a Secret$"),
        ("https:///a.tar", "expected a URL"),
        ("https://host/a#b", "expected a URL"),
        ("https://host:99999/a", "not a host with a port"),
        ("hf://", "expected hf://organisation/name"),
        ("hf://a/b/c", "expected hf://organisation/name"),
        ("hf://org/name@a..b", "not a branch, tag or commit"),
        ("file://host/path", "expected file:///absolute/path"),
        ("file:///path?x=1", "expected file:///absolute/path"),
    ],
)
def test_what_is_no_source_is_refused_with_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(SourceURIError, match=message):
        parse_source(text)


def test_what_may_be_a_signature_is_not_shown() -> None:
    assert shown(parse_source("https://host/a.tar?X-Signature=1")) == "https://host/a.tar"
    assert shown(parse_source("s3://models/a.tar?versionId=1")) == "s3://models/a.tar?versionId=1"


# Around credentials: as URIs have them, with an escaped or a forgotten @, and with slips that leave no URI.
WRITTEN = ["://{}@", "://{}%40", "://{}/", ":/{}@", ":{}@", "://host/{}@", "://models/key?Signature={}&", "://h@{}@"]


@given(
    scheme=st.sampled_from(["s3", "gs", "gdrive", "hf", "oci", "https", "file", " s3", "ftp", "S3"]),
    written=st.sampled_from(WRITTEN),
    user=st.text("ABCDEFGH", min_size=8, max_size=12),
    secret=st.text("STUVWXYZ/+=.:#?%@", min_size=8, max_size=30),
    rest=st.sampled_from(
        ["bucket/key#x", "bucket/key?x", "registry.example.com/name:tag", "host y", "host:port/a", ""]
    ),
)
def test_credentials_in_a_uri_are_never_repeated(scheme: str, written: str, user: str, secret: str, rest: str) -> None:
    message = ""
    try:
        parse_source(scheme + written.format(f"{user}:{secret}") + rest)
    except SourceURIError as error:
        message = str(error)
    assert user not in message
    assert not [piece for piece in re.findall("[S-Z]{3,}", secret) if piece in message]
