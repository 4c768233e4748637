"""docs/server.md tells what the code does: its tables are compared with it."""

import re
from pathlib import Path

from tests.support.settings_table import settings_table
from tests.unit.server import test_http_fields as http
from tests.unit.server.test_riva_fields import HONOURED, REFUSED, WITHOUT_EFFECT
from whisper_server.engine.limits import DECODING_RANGES, VAD_RANGES
from whisper_server.http import errors
from whisper_server.operations.metrics import Metrics
from whisper_server.rpc.riva_custom import KNOWN

PAGE = (Path(__file__).parents[3] / "docs" / "server.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its head."""
    section = re.split(r"\n###? ", PAGE.split(f"## {heading}\n", 1)[1], maxsplit=1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_the_settings_table_is_what_the_code_says() -> None:
    assert settings_table() in PAGE, "make manifests writes it"


def test_every_field_of_a_request_is_told_as_it_is_tested() -> None:
    told = {row[0].strip("`"): row[1] for row in rows("Fields of RecognitionConfig")}
    tested = {
        **dict.fromkeys(HONOURED, "honoured"),
        **dict.fromkeys(WITHOUT_EFFECT, "without effect"),
        **dict.fromkeys(REFUSED, "refused"),
    }
    assert told == tested


def test_every_key_of_custom_configuration_is_told_with_the_values_that_are_taken() -> None:
    told = {row[0].strip("`"): row[1] for row in rows("Keys of custom_configuration")}
    assert told.keys() == set(KNOWN)
    ranges = {
        **{"temperature" if name == "temperatures" else name: taken for name, taken in DECODING_RANGES.items()},
        **{f"vad_{name}": taken for name, taken in VAD_RANGES.items()},
    }
    for key, (low, high) in ranges.items():
        if key in told:
            assert told[key].split(",")[0] == f"{low:g} to {high:g}", key


def test_every_field_of_a_form_is_told_as_it_is_tested() -> None:
    told = {row[0].strip("`"): row[1] for row in rows("Fields of the form")}
    tested = {
        "file": "honoured",
        **dict.fromkeys(http.HONOURED, "honoured"),
        **dict.fromkeys(http.WITHOUT_EFFECT, "without effect"),
        **dict.fromkeys(http.REFUSED, "refused"),
    }
    assert told == tested


def test_every_status_of_http_is_told() -> None:
    statuses = {status for status, _, _ in errors.KINDS.values()}
    assert {int(row[0]) for row in rows("HTTP's errors")} == statuses | {405, 500}


def test_every_metric_is_told() -> None:
    suffixes = {"counter": "_total", "info": "_info"}
    families = [family for family in Metrics().registry.collect() if family.name.startswith("whisper_server_")]
    assert {row[0].strip("`") for row in rows("Metrics")} == {
        family.name + suffixes.get(family.type, "") for family in families
    }
