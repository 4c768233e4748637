"""Our own protocol: its stubs are what the proto makes, and it keeps buf's STANDARD rules, every word explained."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from tests.support.stubs import API, PROTO, compile_proto, write_stubs

#: Numbers of the fields of FileDescriptorProto and below it, from which the paths of comments are made
#: (https://protobuf.com/docs/descriptors#source-code-info-location-paths).
_MESSAGES, _ENUMS, _SERVICES, _FIELDS, _ONEOFS, _VALUES, _METHODS = 4, 5, 6, 2, 8, 2, 2


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorProto:
    """The protocol with its comments."""
    file = tmp_path_factory.mktemp("proto") / "descriptors"
    compile_proto("--include_source_info", f"--descriptor_set_out={file}")
    return FileDescriptorSet.FromString(file.read_bytes()).file[0]


def test_the_stubs_are_those_that_the_proto_makes(tmp_path: Path) -> None:
    write_stubs(tmp_path)
    written = {file.name: file.read_text() for file in tmp_path.iterdir()}
    committed = {file.name: file.read_text() for file in API.iterdir() if "_pb2" in file.name and file.is_file()}
    assert committed == written, "run make proto"


def test_it_keeps_bufs_standard_rules(described: FileDescriptorProto) -> None:
    assert described.package == "whisper.v1"
    assert Path(PROTO).parent == Path(*described.package.split("."))
    assert all(_is_camel(message.name) for message in described.message_type)
    for message in described.message_type:
        assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name) for field in message.field)
    for enum in described.enum_type:
        prefix = re.sub(r"(?<!^)([A-Z])", r"_\1", enum.name).upper()
        assert enum.value[0].name == f"{prefix}_UNSPECIFIED"
        assert enum.value[0].number == 0
        assert all(value.name.startswith(f"{prefix}_") for value in enum.value)
    for method in described.service[0].method:
        assert method.input_type == f".whisper.v1.{method.name}Request"
        assert method.output_type == f".whisper.v1.{method.name}Response"


def _is_camel(name: str) -> bool:
    return re.fullmatch(r"([A-Z][a-z0-9]+)+", name) is not None


def test_everything_in_it_has_a_comment(described: FileDescriptorProto) -> None:
    explained = {tuple(place.path) for place in described.source_code_info.location if place.leading_comments.strip()}
    named = dict(_named(described))
    assert len(named) > 100
    assert sorted(name for path, name in named.items() if path not in explained) == []


def _named(described: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    kinds: tuple[tuple[int, Iterable[Any], dict[int, str]], ...] = (
        (_MESSAGES, described.message_type, {_FIELDS: "field", _ONEOFS: "oneof_decl"}),
        (_ENUMS, described.enum_type, {_VALUES: "value"}),
        (_SERVICES, described.service, {_METHODS: "method"}),
    )
    for kind, things, parts in kinds:
        for number, thing in enumerate(things):
            yield (kind, number), thing.name
            for part, attribute in parts.items():
                for place, one in enumerate(getattr(thing, attribute)):
                    if not one.name.startswith("_"):  # What proto3 makes of each optional field.
                        yield (kind, number, part, place), f"{thing.name}.{one.name}"
