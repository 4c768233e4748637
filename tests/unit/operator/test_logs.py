"""The operator's logs: what a person reads as text says which model it is about."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.objects import SETTINGS
from whisper_operator import logs


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Handlers and levels of the root logger belong to pytest."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_line_of_text_names_its_model(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(replace(SETTINGS, log_format="text"))
    logging.getLogger("whisper_operator").info("the operator runs")
    logging.getLogger("whisper_operator").info("started a pull", extra={"model": "speech/m"})
    general, about = capsys.readouterr().err.splitlines()
    assert general.endswith("INFO    - the operator runs")
    assert about.endswith("INFO    speech/m started a pull")
