"""docs/try-it.md: what it shows to be written and typed is taken, and leads to the page."""

import yaml

from tests.support.pages import DOCS, commands, fenced
from tests.support.whispermodels import minimal
from whisper_operator.api import names
from whisper_operator.api.spec import parse_spec

PAGE = (DOCS / "try-it.md").read_text()


def test_what_is_to_be_written_turns_the_page_on() -> None:
    (shown,) = fenced(PAGE, "yaml")
    assert parse_spec(minimal() | yaml.safe_load(shown)["spec"]).server.options.http_page


def test_the_port_that_is_brought_here_is_the_pages() -> None:
    (forward,) = commands(PAGE, "kubectl")
    assert forward == ["port-forward", f"service/{names.service('small')}", str(names.HTTP_PORT)]
    assert f"`http://localhost:{names.HTTP_PORT}/`" in PAGE
