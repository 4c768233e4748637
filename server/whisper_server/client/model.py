"""`whisper-client model`."""

import argparse
from collections.abc import Iterator

from google.protobuf.json_format import MessageToJson

from whisper_server.api import transcription_pb2 as pb
from whisper_server.client.arguments import Subparsers, add_command, add_model, add_server, read_target
from whisper_server.client.connection import connected
from whisper_server.client.screen import Screen

_DETAILS = """\
examples:
  whisper-client model                            what is served, on which device, and what it allows
  whisper-client model --json | jq -r .model.digest
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        subparsers, "model", summary="tell which model is served, and what it allows", details=_DETAILS
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, with every option's range")
    add_model(parser)
    add_server(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Print what the server tells."""
    request = pb.GetModelRequest(model=arguments.model)
    with connected(read_target(arguments), screen.say) as connection:
        told = connection.attempt(lambda call: call.stub.GetModel(request, **call.options))
    if arguments.json:
        print(MessageToJson(told, preserving_proto_field_name=True, always_print_fields_with_no_presence=True))
    else:
        for name, value in _lines(told):
            print(f"{name:<15}{value}")
    return 0


def _lines(told: pb.GetModelResponse) -> Iterator[tuple[str, str]]:
    model, limits = told.model, told.limits
    yield "names", ", ".join(model.names)
    yield "digest", model.digest
    yield "languages", " ".join(model.languages)
    yield "translates", "yes" if model.multilingual else "no"
    yield "word times", "yes" if model.word_times else "no"
    yield "device", f"{model.device}, {model.compute_type}"
    yield "audio", f"at most {limits.max_audio_seconds:g} s and {limits.max_upload_bytes / 2**20:g} MiB"
    yield "streams", f"at most {limits.max_streams} at a time"
