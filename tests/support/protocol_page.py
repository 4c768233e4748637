"""The page about our own protocol, made from the proto and its comments; tests.support.reference writes it."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

from tests.support.stubs import PROTO, compile_proto

_HEAD = """# The protocol whisper.v1

Made of [transcription.proto](../../server/proto/whisper/v1/transcription.proto), which is what stubs in any language
are made of. How to call it: [server.md](../server.md). A field without a value has that of its type: 0, false, empty.
Of the fields that are one of a group, a message has one.

"""

# Where things stand in a FileDescriptorProto and below it, by the numbers of their fields: a comment is found by them.
_MESSAGE, _ENUM, _SERVICE = 4, 5, 6
_FIELD, _NESTED, _NESTED_ENUM, _ONEOF = 2, 3, 4, 8
_METHOD, _VALUE = 2, 2

_Place = tuple[int, ...]


class _Page:
    """The sections of one file."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self._file = file
        self._comments = {tuple(at.path): _one_line(at.leading_comments) for at in file.source_code_info.location}

    def sections(self) -> Iterator[str]:
        for number, service in enumerate(self._file.service):
            place = (_SERVICE, number)
            rows = [self._call(one, (*place, _METHOD, at)) for at, one in enumerate(service.method)]
            yield self._section(service.name, place, "| call | takes | gives | what it does |", rows)
        for number, message in enumerate(self._file.message_type):
            yield from self._message(message, message.name, (_MESSAGE, number))
        for number, enum in enumerate(self._file.enum_type):
            yield self._enum(enum, enum.name, (_ENUM, number))

    def _section(self, title: str, place: _Place, head: str, rows: Sequence[str]) -> str:
        table = "\n".join([head, "|" + "---|" * (head.count("|") - 1), *rows, ""]) if rows else ""
        return "\n".join([f"## {title}\n", f"{self._comments[place]}\n", table])

    def _call(self, method: MethodDescriptorProto, place: _Place) -> str:
        takes = ("a stream of " if method.client_streaming else "") + _link(method.input_type)
        gives = ("a stream of " if method.server_streaming else "") + _link(method.output_type)
        return f"| `{method.name}` | {takes} | {gives} | {self._comments[place]} |"

    def _message(self, message: DescriptorProto, title: str, place: _Place) -> Iterator[str]:
        rows = [self._field(message, field, (*place, _FIELD, at)) for at, field in enumerate(message.field)]
        yield self._section(title, place, "| field | type | what it is |", rows)
        for at, inner in enumerate(message.nested_type):
            if not inner.options.map_entry:
                yield from self._message(inner, f"{title}.{inner.name}", (*place, _NESTED, at))
        for at, enum in enumerate(message.enum_type):
            yield self._enum(enum, f"{title}.{enum.name}", (*place, _NESTED_ENUM, at))

    def _field(self, message: DescriptorProto, field: FieldDescriptorProto, place: _Place) -> str:
        choice = ""
        if field.HasField("oneof_index") and not field.proto3_optional:
            choice = f" One of `{message.oneof_decl[field.oneof_index].name}`."
        return f"| `{field.name}` | {_type(message, field)} | {self._comments[place]}{choice} |"

    def _enum(self, enum: EnumDescriptorProto, title: str, place: _Place) -> str:
        rows = [
            f"| `{value.name}` | {value.number} | {self._comments[(*place, _VALUE, at)]} |"
            for at, value in enumerate(enum.value)
        ]
        return self._section(title, place, "| value | number | what it means |", rows)


def _type(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    for entry in message.nested_type:
        if entry.options.map_entry and field.type_name.endswith(f".{message.name}.{entry.name}"):
            key, value = (_type(entry, one) for one in entry.field)
            return f"map of {key} to {value}"
    plain = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    name = _link(field.type_name) if field.type_name else plain
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"list of {name}"
    return f"{name}, optional" if field.proto3_optional else name


def _link(type_name: str) -> str:
    """Return the type's name as a link to its section; one of another package as it is."""
    package = ".whisper.v1."
    if not type_name.startswith(package):
        return f"`{type_name.removeprefix('.')}`"
    name = type_name.removeprefix(package)
    return f"[{name}](#{name.lower().replace('.', '')})"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def protocol() -> str:
    """Return the page."""
    with tempfile.TemporaryDirectory() as folder:
        described = Path(folder) / "described"
        compile_proto(f"--descriptor_set_out={described}", "--include_source_info")
        files = FileDescriptorSet.FromString(described.read_bytes()).file
    (file,) = (one for one in files if one.name == PROTO)
    return _HEAD + "\n".join(_Page(file).sections())
