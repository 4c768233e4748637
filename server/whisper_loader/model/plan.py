"""What a model.bin is going to hold: a specification's variables, each in its type, those that are equal only once."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ctranslate2.specs.model_spec import OPTIONAL, NumpyVariable, visit_spec
from ctranslate2.specs.whisper_spec import WhisperSpec

from whisper_loader.model.quantized import Int8Scales, Int8Weights, Int16Scale, Int16Weights
from whisper_loader.model.variables import Constant, Joined, Variable

# The types of the matrices and of the rest, for each type that can be asked for; None keeps that of the checkpoint.
_TYPES: Mapping[str, tuple[str, str | None]] = {
    "int8": ("int8", None),
    "int8_float32": ("int8", "float32"),
    "int8_float16": ("int8", "float16"),
    "int8_bfloat16": ("int8", "bfloat16"),
    "int16": ("int16", "float32"),
    "float16": ("float16", "float16"),
    "bfloat16": ("bfloat16", "bfloat16"),
    "float32": ("float32", "float32"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The content of a model.bin.

    Attributes:
        variables: by name, in the order in which they are written.
        aliases: further names of variables, in order too.
    """

    variables: dict[str, Variable]
    aliases: dict[str, str]


def make_plan(spec: WhisperSpec, quantization: str) -> Plan:
    """Return the plan of a validated `spec`, whose weights are `Joined`.

    Raises:
        LoaderError: InvalidModel for tensors that are too large.
    """
    values, quantizable = _collect(spec)
    weights = {name: value for name, value in values.items() if isinstance(value, Joined)}
    for value in weights.values():
        value.check()
    aliases = _find_aliases(weights)
    planned: dict[str, Variable] = {name: value for name, value in values.items() if name not in aliases}
    for name in weights.keys() - aliases.keys():
        planned |= _typed(name, weights[name], quantization, is_quantizable=name in quantizable)
    return Plan(dict(sorted(planned.items())), aliases)


def _collect(spec: WhisperSpec) -> tuple[dict[str, Constant | Joined], frozenset[str]]:
    """All that is set in the specification, in the order of names; and which of it may become integers with a scale."""
    found: dict[str, Constant | Joined] = {}
    quantizable = set()

    def visit(layer: Any, name: str, value: Any) -> None:
        if value == OPTIONAL:
            return
        found[name] = Constant(value.numpy()) if isinstance(value, NumpyVariable) else value
        if hasattr(layer, f"{name.rpartition('/')[2]}_scale"):
            quantizable.add(name)

    visit_spec(spec, visit)
    return dict(sorted(found.items())), frozenset(quantizable)


def _find_aliases(weights: Mapping[str, Joined]) -> dict[str, str]:
    """Which names stand for an equal variable with an earlier name. Most differ in shape or first number."""
    aliases = {}
    distinct: dict[object, list[str]] = defaultdict(list)
    for name, value in weights.items():
        alike = distinct[value.dtype, value.shape, value.first()]
        original = next((other for other in alike if weights[other].equals(value)), None)
        if original is None:
            alike.append(name)
        else:
            aliases[name] = original
    return dict(sorted(aliases.items()))


def _typed(name: str, value: Joined, quantization: str, *, is_quantizable: bool) -> dict[str, Variable]:
    matrix, rest = _TYPES[quantization]
    if not is_quantizable:
        return {name: value if rest is None else value.to(rest)}
    if matrix == "int8":
        int8 = Int8Weights(value.to("float32"))
        return {name: int8, f"{name}_scale": Int8Scales(int8)}
    if matrix == "int16":
        int16 = Int16Weights(value.to("float32"))
        return {name: int16, f"{name}_scale": Int16Scale(int16)}
    return {name: value.to(matrix)}
