"""Log lines: one JSON object or one line of text each, with the request's id."""

import json
import logging
from collections.abc import Iterator

import pytest

from whisper_server.operations.logs import caller_name, configure_logging, request_id


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_json_line_has_its_fields_and_the_request_id(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    token = request_id.set("r-1")
    logging.getLogger("whisper_server.x").info("hello %s", "world", extra={"seconds": 1.5})
    request_id.reset(token)
    logging.getLogger("whisper_server.x").info("outside")
    inside, outside = map(json.loads, capsys.readouterr().err.splitlines())
    assert inside.pop("time").endswith("+00:00")
    assert inside == {
        "level": "INFO",
        "logger": "whisper_server.x",
        "message": "hello world",
        "seconds": 1.5,
        "request_id": "r-1",
    }
    assert "request_id" not in outside


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("text", "info")
    logging.getLogger("whisper_server").warning("careful")
    assert capsys.readouterr().err.endswith(" WARNING whisper_server [-] careful\n")


def test_what_is_below_the_level_is_left_out_and_so_is_faster_whispers_chatter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("json", "info")
    logging.getLogger("whisper_server").debug("detail")
    logging.getLogger("faster_whisper").info("Processing audio with duration 00:01")
    assert capsys.readouterr().err == ""


def test_a_line_names_its_caller(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "info")
    token = caller_name.set("ada")
    logging.getLogger("whisper_server").info("hello")
    caller_name.reset(token)
    assert json.loads(capsys.readouterr().err)["caller"] == "ada"


def test_an_answer_that_found_its_caller_gone_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("text", "info")
    grpc = logging.getLogger("grpc._cython.cygrpc")
    grpc.error("ExecuteBatchError raised in core by servicer method [%s]", "method")
    assert capsys.readouterr().err == ""
    grpc.error("Unexpected [%s] raised by servicer method [%s]", "KeyError", "method")
    assert "KeyError" in capsys.readouterr().err
