"""The picture of the demo, which is drawn of what it printed."""

import re

from tests.demo.picture import PICTURE, draw

PRINTED = "\n[1] Three images\n    done in 0.1 s\n\nThe whole way in 9 s. It still runs:\n\n  export KUBECONFIG=/here\n"


def test_it_shows_what_was_printed_but_not_the_addresses_of_the_machine() -> None:
    drawn = words(draw(PRINTED))
    assert "[1] Three images" in drawn
    assert "done in 0.1 s" in drawn
    assert "KUBECONFIG" not in drawn


def test_it_needs_nothing_from_elsewhere() -> None:
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", draw(PRINTED)))
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_the_one_that_is_shown_ends_with_a_transcript() -> None:
    drawn = words(PICTURE.read_text())
    assert "Close the red radio number one." in drawn
    assert "ServersReady" in drawn


def words(picture: str) -> str:
    return re.sub(r"<[^>]+>", "", picture).replace("&#160;", " ")
