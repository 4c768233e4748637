"""Manifests come back as they were written, and nothing else is taken for one."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_contract.digest import PublishedFile
from whisper_contract.manifest import Manifest, ManifestError, Provenance

HEX = "0123456789abcdef" * 4
EXAMPLE = Manifest(
    files=(PublishedFile("config.json", 2, HEX), PublishedFile("model.bin", 40, HEX)),
    format="ctranslate2",
    quantization="float16",
    mel_bins=128,
    languages=("en", "ko"),
    multilingual=True,
    converter="ctranslate2 4.8.5",
    provenance=Provenance("hf://org/name@0123", "2026-01-01T00:00:00Z"),
)

text = st.text(st.characters(codec="utf-8"), max_size=20)
paths = st.lists(st.text("abc.é_-", min_size=1, max_size=8).filter(lambda part: part != ".."), min_size=1, max_size=3)
files = st.lists(
    st.builds(PublishedFile, paths.map("/".join), st.integers(0, 1 << 50), st.just(HEX)),
    min_size=1,
    max_size=6,
    unique_by=lambda file: file.path,
)
manifests = st.builds(
    Manifest,
    files=files.map(lambda found: tuple(sorted(found, key=lambda file: file.path.encode()))),
    format=text,
    quantization=text,
    mel_bins=st.integers(1, 1000),
    languages=st.lists(text, max_size=4).map(tuple),
    multilingual=st.booleans(),
    converter=st.none() | text,
    provenance=st.builds(Provenance, text, text),
)


@given(manifests)
def test_a_manifest_comes_back_as_it_was_written(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_equal_manifests_are_equal_bytes_whatever_the_order_of_files() -> None:
    other = replace(EXAMPLE, files=EXAMPLE.files[::-1])
    assert other.to_json() == EXAMPLE.to_json()
    assert (other.digest, other.size_bytes) == (EXAMPLE.digest, 42)


def changed(**changes: Any) -> bytes:
    return json.dumps({**json.loads(EXAMPLE.to_json()), **changes}).encode()


def test_a_later_key_is_passed_over() -> None:
    assert Manifest.from_json(changed(added_later=1)) == EXAMPLE


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (EXAMPLE.to_json()[:-5], "not JSON"),
        (b"[]", "not a manifest of version 1"),
        (changed(v=2), "not a manifest of version 1"),
        (changed(digest=None), "its digest is not that of the files"),
        (changed(digest="sha256:" + HEX), "its digest is not that of the files"),
        (changed(files=[]), "it lists no files"),
        (changed(files=["x"]), "an entry is not an object"),
        (changed(files=[{"path": "x", "size": -1, "sha256": HEX}]), "has no proper size and sha256"),
        (changed(files=[{"path": "x", "size": 1, "sha256": "x"}]), "has no proper size and sha256"),
        (changed(files=[{"path": "x", "size": True, "sha256": HEX}]), "size: missing"),
        (changed(files=[{"path": "../x", "size": 1, "sha256": HEX}]), "not a path inside"),
        (changed(files=[{"path": "/x", "size": 1, "sha256": HEX}]), "not a path inside"),
        (changed(files=[{"path": "", "size": 1, "sha256": HEX}]), "not a path inside"),
        (changed(melBins="80"), "melBins: missing, or not of type int"),
        (changed(languages=[1]), "languages: not all are text"),
        (changed(multilingual="yes"), "multilingual: missing"),
        (changed(provenance={"source": "x"}), "publishedAt: missing"),
    ],
)
def test_what_is_no_manifest_is_refused_naming_the_part(data: bytes, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        Manifest.from_json(data)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_json(data)
