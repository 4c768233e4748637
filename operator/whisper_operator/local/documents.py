"""The documents of a YAML file, read as the API server's clients read them, and never larger than they can be meant."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MAPPING = "tag:yaml.org,2002:map"
#: The API server takes objects of 1.5 MiB; this is a file with many of them.
_MOST_BYTES = 16 << 20
#: Of a document, each alias counted as what it stands for: a few lines can stand for more than any memory holds.
_MOST_VALUES = 100_000


class DocumentsError(ValueError):
    """The file cannot be read; the text says why."""


class _Loader(yaml.CSafeLoader):
    """A date is a text, a key that stands twice is a mistake."""

    def construct_document(self, node: yaml.Node) -> Any:
        """Return what the document says."""
        if _values(node, {}) > _MOST_VALUES:
            text = f"this stands for more than {_MOST_VALUES:,} values, each alias counted as what it stands for"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark)
        return super().construct_document(node)

    def construct_checked(self, node: yaml.MappingNode) -> dict[Any, Any]:
        """Return the mapping."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    text = f'the key "{key.value}" stands twice'
                    raise yaml.constructor.ConstructorError(None, None, text, key.start_mark)
                seen.add(key.value)
        return dict(self.construct_mapping(node, deep=True))


_Loader.add_constructor(_MAPPING, _Loader.construct_checked)
_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for letter, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def read_text(path: Path) -> str:
    """Return the file's text.

    Raises:
        DocumentsError: when it cannot be read, is too large, or no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DocumentsError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise DocumentsError(f"{path} is larger than {_MOST_BYTES >> 20} MiB: is it the file with the WhisperModels?")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DocumentsError(f"{path} is no text in UTF-8: save it as that") from error


def parse_documents(text: str, origin: str) -> list[Any]:
    """Return the documents that are not empty; errors name `origin`.

    Raises:
        DocumentsError: when it is not YAML.
    """
    try:
        return [document for document in yaml.load_all(text, _Loader) if document is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DocumentsError(f"{origin} is not YAML: {_sentence(error)}") from error


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values `node` stands for; `known` has those of nodes that were seen before."""
    if id(node) not in known:
        known[id(node)] = 1  # for an alias that stands in what it stands for: refused when it is constructed
        known[id(node)] += sum(_values(child, known) for child in _children(node))
    return known[id(node)]


def _children(node: yaml.Node) -> Iterable[yaml.Node]:
    match node:
        case yaml.MappingNode():
            return chain.from_iterable(node.value)
        case yaml.SequenceNode():
            return list(node.value)
        case _:
            return ()


def _sentence(error: Exception) -> str:
    """Say what is wrong, and where as editors count."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        said = ", ".join(text for text in (error.context, error.problem) if text)
        return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {said}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"{error.reason} at position {error.position}"
    return " ".join(str(error).split())
