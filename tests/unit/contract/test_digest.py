"""Digests: equal files give equal digests, in any order and however they are written."""

import hashlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_contract.digest import (
    PublishedFile,
    artifact_digest,
    format_digest,
    is_hex_digest,
    parse_digest,
    short_digest,
)

HEX = "0123456789abcdef" * 4

hex_digests = st.text("0123456789abcdef", min_size=64, max_size=64)
files = st.lists(
    st.builds(PublishedFile, st.text(min_size=1), st.integers(0, 1 << 50), hex_digests),
    unique_by=lambda file: file.path,
)


def test_the_digest_is_that_of_the_lines_in_byte_order() -> None:
    """Byte order, not that of UTF-16 or of a locale: Z before a, a before é."""
    listed = [PublishedFile("é", 3, HEX), PublishedFile("a", 1, HEX), PublishedFile("Z", 2, HEX)]
    lines = f"Z\0002\0{HEX}\na\0001\0{HEX}\né\0003\0{HEX}\n"
    assert artifact_digest(listed) == hashlib.sha256(lines.encode()).hexdigest()


@given(files, st.randoms())
def test_order_does_not_matter(listed: list[PublishedFile], random: Random) -> None:
    shuffled = list(listed)
    random.shuffle(shuffled)
    assert artifact_digest(shuffled) == artifact_digest(listed)


@given(hex_digests)
def test_both_forms_of_a_digest_are_read(digest: str) -> None:
    assert parse_digest(format_digest(digest)) == parse_digest(digest) == digest
    assert short_digest(format_digest(digest)) == digest[:12]


@pytest.mark.parametrize(
    "text", ["", "sha256:", HEX[:-1], HEX + "0", HEX.upper(), "sha512:" + HEX, f" {HEX}", f"{HEX}\n"]
)
def test_anything_else_is_refused(text: str) -> None:
    assert not is_hex_digest(text)
    with pytest.raises(ValueError, match="not a sha256 digest"):
        parse_digest(text)
