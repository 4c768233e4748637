"""The reference says what the code and the resource say."""

import pytest

from tests.support.reference import FOLDER, pages


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_page_of_the_reference_is_what_it_is_made_from(name: str) -> None:
    assert (FOLDER / name).read_text() == pages()[name], "make manifests writes it"


def test_there_is_no_other_page() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(pages())
