"""Source URIs come back as they were read, and what is none is refused with what was expected."""

from contextlib import suppress
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_contract.uris import FileSource, HuggingFaceSource, S3Source, Source, SourceURIError, parse_source

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


@given(objects | prefixes | repositories | paths)
def test_a_source_is_read_as_it_was_written(source: Source) -> None:
    assert parse_source(str(source)) == source


@given(
    st.text() | st.text().map("s3://{}".format) | st.text().map("hf://{}".format) | st.text().map("file://{}".format)
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
        ("gopher://x/y", "gopher:// is not a kind of source"),
        ("s3://models", "expected s3://bucket/key"),
        ("s3://models/", "expected s3://bucket/key"),
        ("s3://a/key", "not a bucket's name"),
        ("s3:///key", "not a bucket's name"),
        ("s3://key:secret@models/key", "^an s3:// source holds no credentials: give them in a Secret$"),
        ("file:///a%00b", "a path holds no NUL"),
        ("s3://models/key#part", "write # in a key as %23"),
        ("s3://models/key?other=1", "only [?]versionId"),
        ("s3://models/key?versionId=", "only [?]versionId"),
        ("s3://models/prefix/?versionId=1", "a prefix has no versionId"),
        ("s3://[models/key", "not a URI"),
        ("s3://mod\u2100els/key", "not a URI"),
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
