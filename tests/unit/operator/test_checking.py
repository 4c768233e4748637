"""What the check makes of definitions; the rest of it is tried on a real API server."""

from typing import Any

import pytest

from whisper_operator.checking import Result, missing_fields

KNOWN: dict[str, Any] = {
    "properties": {"a": {"properties": {"b": {}, "c": {"items": {"properties": {"d": {}}}}}}, "e": {}}
}


@pytest.mark.parametrize(
    ("published", "missing"),
    [
        (KNOWN, []),
        ({"properties": {"a": {}, **KNOWN["properties"], "later": {}}}, []),
        ({"properties": {"e": {}}}, ["spec.a"]),
        ({"properties": {"a": {"properties": {"c": {"items": {}}}}}}, ["spec.a.b", "spec.a.c.d", "spec.e"]),
    ],
)
def test_of_fields_that_a_definition_lacks_the_outermost_are_named(
    published: dict[str, object], missing: list[str]
) -> None:
    assert missing_fields(KNOWN, published) == missing


def test_a_result_says_what_to_do_only_where_something_is_wrong() -> None:
    assert str(Result("all is well")) == "ok    all is well"
    assert str(Result("it is not", "do this")) == "FAIL  it is not: do this"
