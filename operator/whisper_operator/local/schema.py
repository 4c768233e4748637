"""Whether a spec is what the resource's schema allows, in the API server's words.

`api/schema.json` is made of the resource by `make manifests`. The rules that look at several fields are in `rules`.
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from whisper_operator import api

_INVALID = "{path}: Invalid value: {shown}: {path} in body "
_SENTENCES = {
    "type": _INVALID + "must be of type {limit}",
    "enum": "{path}: Unsupported value: {shown}: supported values: {limit}",
    "pattern": _INVALID + "should match '{limit}'",
    "minimum": _INVALID + "should be greater than or equal to {limit}",
    "maximum": _INVALID + "should be less than or equal to {limit}",
    "minLength": _INVALID + "should be at least {limit} chars long",
    "maxLength": "{path}: Too long: may not be more than {limit} bytes",
    "minItems": _INVALID + "should have at least {limit} items",
    "maxItems": "{path}: Too many: must have at most {limit} items",
    "maxProperties": "{path}: Too many: must have at most {limit} items",
}


def schema_errors(spec: Any) -> list[str]:
    """Return a sentence for each thing that is wrong with the spec; none when it is as the schema wants it."""
    return [sentence for error in _validator().iter_errors(spec) for sentence in _sentences(error)]


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(files(api).joinpath("schema.json").read_text(encoding="utf-8")))


def _sentences(error: ValidationError) -> Iterator[str]:
    """Put one error into the words of k8s.io/apimachinery/pkg/util/validation/field and kube-openapi's."""
    path, schema = _path(error.absolute_path), error.schema
    value: Any = error.instance
    limit: Any = error.validator_value
    if error.validator == "required":
        yield from (f"{path}.{name}: Required value" for name in limit if name not in value)
    elif error.validator == "additionalProperties":
        known = schema["properties"] if isinstance(schema, Mapping) else {}
        yield from (f'unknown field "{path}.{name}"{_nearest(name, known)}' for name in value if name not in known)
    else:
        template = _SENTENCES.get(str(error.validator), "{path}: {message}")
        shown = json.dumps(value, ensure_ascii=False, default=str)
        yield template.format(path=path, shown=shown, limit=_limit(error.validator, limit), message=error.message)


def _path(steps: Iterable[str | int]) -> str:
    return "spec" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _limit(validator: Any, limit: Any) -> str:
    if not isinstance(limit, list):
        return str(limit)
    return ", ".join(map(json.dumps, limit)) if validator == "enum" else " or ".join(limit)


def _nearest(name: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), list(known), 1)
    return f": do you mean {near[0]}?" if near else ""
