"""What the file says: its WhisperModels, and the Secrets and ConfigMaps that they name. Read whole, or refused."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whisper_operator.api.names import API_VERSION, KIND
from whisper_operator.api.spec import Spec, SpecError, parse_spec
from whisper_operator.builders.server_files import FileKind
from whisper_operator.local.documents import DocumentsError, parse_documents, read_text
from whisper_operator.local.ignored import ignored_fields
from whisper_operator.local.rules import OBJECT_NAME, name_errors, rule_errors, text_errors
from whisper_operator.local.schema import schema_errors

JSON = dict[str, Any]

#: Keys of an object of each kind: with values as they are, and with values in base64.
_PLAIN = {FileKind.SECRET: "stringData", FileKind.CONFIG_MAP: "data"}
_ENCODED = {FileKind.SECRET: "data", FileKind.CONFIG_MAP: "binaryData"}


class ContentError(ValueError):
    """The file cannot be used; each of `problems` is a sentence."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Declared:
    """One WhisperModel of the file.

    Attributes:
        ignored: the fields that are set and have no effect here.
    """

    name: str
    spec: Spec
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """All that the file says.

    Attributes:
        objects: by kind and name, the bytes of each key.
        unused: what else is in the file, as Kind/name.
    """

    models: tuple[Declared, ...]
    objects: Mapping[tuple[FileKind, str], Mapping[str, bytes]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


def read_content(path: Path) -> Content:
    """Return what the file says.

    Raises:
        ContentError: when it cannot be read, or any WhisperModel, Secret or ConfigMap in it is not as it should be.
    """
    try:
        text = read_text(path)
    except DocumentsError as error:
        raise ContentError(str(error)) from error
    return parse_content(text, str(path))


def parse_content(text: str, origin: str) -> Content:
    """Return what the documents in `text` say; errors name `origin`.

    Raises:
        ContentError: as `read_content`.
    """
    try:
        documents = parse_documents(text, origin)
    except DocumentsError as error:
        raise ContentError(str(error)) from error
    problems: list[str] = []
    models: list[Declared] = []
    objects: dict[tuple[FileKind, str], Mapping[str, bytes]] = {}
    unused: list[str] = []
    for number, document in enumerate(_each(documents), start=1):
        name = _name(document)
        match document if isinstance(document, dict) else {}:
            case {"kind": "WhisperModel", "apiVersion": version} if version == API_VERSION:
                called = f"{KIND} {name}" if name else f"document {number} of {origin}"
                problems += [f"{called}: {problem}" for problem in _problems(document)]
                if not problems:
                    models.append(_declared(document))
            case {"apiVersion": "v1", "kind": "Secret" | "ConfigMap" as kind}:
                try:
                    objects[FileKind(kind), name] = _keys(FileKind(kind), document)
                except ContentError as error:
                    problems += error.problems
            case {"apiVersion": str(), "kind": str(kind)} if kind != KIND:
                unused.append(f"{kind}/{name}")
            case _:
                problems.append(f"document {number} of {origin} {_kind(document)}")
    problems += _repeated(models)
    if not models and not problems:
        problems.append(f"{origin} holds no {KIND} of {API_VERSION}")
    if problems:
        raise ContentError(*problems)
    return Content(tuple(models), objects, tuple(unused))


def _each(documents: list[Any]) -> Iterator[Any]:
    """Yield the documents, and those in a list such as `kubectl get -o yaml` prints."""
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == "List" and isinstance(document.get("items"), list):
            yield from document["items"]
        else:
            yield document


def _kind(document: Any) -> str:
    """Say what a document is that is nothing of ours."""
    fields = document if isinstance(document, dict) else {}
    said = ", ".join(f"{key}: {fields[key]}" for key in ("apiVersion", "kind") if fields.get(key))
    return f"is no {KIND} of {API_VERSION}, no Secret and no ConfigMap of v1: it says {said or 'no kind'}"


def _name(document: Any) -> str:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _problems(document: JSON) -> list[str]:
    """Return what is wrong with a WhisperModel; the rules are looked at when each field by itself is right."""
    unknown = sorted(map(str, document.keys() - {"apiVersion", "kind", "metadata", "spec", "status"}))
    named = name_errors(_name(document)) if _name(document) else ["metadata.name: Required value, a text"]
    shape = [f'unknown field "{name}"' for name in unknown]
    spec = document.get("spec")
    if spec is None:
        return [*named, *shape, "spec: Required value"]
    shape += schema_errors(spec)
    return [*named, *shape, *text_errors(spec), *([] if shape else rule_errors(spec))]


def _declared(document: JSON) -> Declared:
    spec = document["spec"]
    try:
        return Declared(_name(document), parse_spec(spec), ignored_fields(spec))
    except SpecError as error:
        raise ContentError(f"{KIND} {_name(document)}: {error}") from error


def _keys(kind: FileKind, document: JSON) -> dict[str, bytes]:
    """Return the keys of a Secret or ConfigMap; plain ones go before encoded ones, as the API server has it."""
    where = f"{kind} {_name(document)}"
    if not OBJECT_NAME.fullmatch(_name(document)):
        raise ContentError(f"{where}: metadata.name: lower-case letters, digits, '-' and '.'")
    found: dict[str, bytes] = {}
    for key, value in _texts(where, document, _ENCODED[kind]):
        try:
            found[key] = base64.b64decode("".join(value.split()), validate=True)
        except binascii.Error as error:
            raise ContentError(f"{where}: the value of {_ENCODED[kind]}.{key} is not base64") from error
    found |= {key: value.encode() for key, value in _texts(where, document, _PLAIN[kind])}
    return found


def _texts(where: str, document: JSON, part: str) -> Iterator[tuple[str, str]]:
    values = document.get(part) or {}
    if not isinstance(values, dict):
        raise ContentError(f"{where}: {part} is no mapping")
    for key, value in values.items():
        if not isinstance(value, str):
            raise ContentError(f"{where}: the value of {part}.{key} is no text: put it in quotation marks")
        if not isinstance(key, str) or "/" in key or key in ("", ".", ".."):
            raise ContentError(f"{where}: {key!r} is no key: letters, digits, '-', '_' and '.'")
        yield key, value


def _repeated(models: list[Declared]) -> list[str]:
    names = [model.name for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [f"two WhisperModels are called {name}; here, names are told apart without a namespace" for name in twice]
