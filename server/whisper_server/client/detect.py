"""`whisper-client detect`."""

import argparse

from google.protobuf.json_format import MessageToJson

from whisper_server.api import transcription_pb2 as pb
from whisper_server.client.arguments import (
    Subparsers,
    add_audio,
    add_command,
    add_model,
    add_server,
    read_audio,
    read_target,
    source,
)
from whisper_server.client.connection import Call, connected
from whisper_server.client.outgoing import Outgoing
from whisper_server.client.screen import Screen
from whisper_server.client.sources import about

#: More than these are noise.
_LIKELIEST = 5

_DETAILS = """\
examples:
  whisper-client detect talk.mp3                  the likeliest languages, each with its probability
  whisper-client detect talk.mp3 | head -1 | cut -f 1
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(
        subparsers, "detect", summary="tell the language of a recording's first 30 seconds", details=_DETAILS
    )
    parser.add_argument("file", type=source, metavar="FILE", help="a recording; - for standard input")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all languages")
    add_model(parser)
    add_audio(parser)
    add_server(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Print the languages, likeliest first."""
    config = pb.DetectLanguageConfig(model=arguments.model, audio_format=read_audio(arguments))
    first, sent = pb.DetectLanguageRequest(config=config), 0

    def detect(call: Call) -> pb.DetectLanguageResponse:
        nonlocal sent
        outgoing = Outgoing(first, pb.DetectLanguageRequest, arguments.file.chunks())
        try:
            response: pb.DetectLanguageResponse = outgoing.response(call.stub.DetectLanguage, call.options)
        finally:
            sent = outgoing.sent
        return response

    with connected(read_target(arguments), screen.say) as connection, about(arguments.file):
        with arguments.file.opened():  # Before the server is asked.
            pass
        found = connection.attempt(detect, lambda: not (arguments.file.is_stdin and sent)).language
    if arguments.json:
        print(MessageToJson(found, preserving_proto_field_name=True, indent=None, ensure_ascii=False))
    else:
        for one in found.probabilities[:_LIKELIEST]:
            print(f"{one.language}\t{one.probability:.4f}")
    return 0
