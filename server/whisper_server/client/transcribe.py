"""`whisper-client transcribe`."""

import argparse
import functools
from contextlib import nullcontext
from pathlib import Path

from whisper_server.api import transcription_pb2 as pb
from whisper_server.client.arguments import (
    Subparsers,
    add_audio,
    add_command,
    add_files,
    add_model,
    add_server,
    read_audio,
    read_target,
)
from whisper_server.client.connection import Connection, connected
from whisper_server.client.documents import StandardOutput, document_file
from whisper_server.client.errors import ClientError, ExitCode
from whisper_server.client.live import LiveStream
from whisper_server.client.screen import Screen
from whisper_server.client.sources import Source, about
from whisper_server.client.uploads import OpenDocument, Upload
from whisper_server.cues.writers import Format

#: What people call the formats.
FORMATS = {"text": Format.TXT, "srt": Format.SRT, "vtt": Format.VTT, "json": Format.JSON}
_OUTPUT_FORMATS = {
    Format.TXT: pb.OUTPUT_FORMAT_TXT,
    Format.SRT: pb.OUTPUT_FORMAT_SRT,
    Format.VTT: pb.OUTPUT_FORMAT_VTT,
    Format.JSON: pb.OUTPUT_FORMAT_JSON,
}
_SUBTITLES = (Format.SRT, Format.VTT)

_DETAILS = """\
examples:
  whisper-client transcribe talk.mp3                             text on standard output, as it is ready
  whisper-client transcribe *.flac --format srt --output subtitles
  whisper-client transcribe talk.mp4 --language de --translate
  whisper-client transcribe --stream talk.wav                    as a microphone would send it, to try live streams
  arecord -t raw -f S16_LE -r 16000 | whisper-client transcribe --stream --rate 16000 -

Any file that the server can decode will do: WAV, FLAC, Ogg, MP3, MP4, WebM … With --stream a file is WAV, FLAC or raw
samples, since nothing else tells how fast it is spoken.
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the command."""
    parser = add_command(subparsers, "transcribe", summary="write down what is said in recordings", details=_DETAILS)
    add_files(parser)
    parser.add_argument("--stream", action="store_true", help="send it as fast as it is spoken, see utterances grow")
    parser.add_argument("--format", choices=FORMATS, default="text", help="[default: text]")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for one document a file")
    parser.add_argument(
        "--words", action="store_true", help="times and probability of each word, as JSON, or in text a line each"
    )
    speech = parser.add_argument_group("speech")
    speech.add_argument("--language", default="", metavar="TAG", help="such as en or ko-KR [default: detected]")
    speech.add_argument("--translate", action="store_true", help="write it in English")
    speech.add_argument("--prompt", metavar="TEXT", help="text as if said before, for spelling and style")
    speech.add_argument("--hotwords", metavar="TEXT", help="phrases to expect")
    add_model(speech)
    add_audio(parser)
    add_server(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Transcribe each file; those that fail do not keep the others from it. Return the exit code."""
    target = read_target(arguments)
    _check(arguments)
    worst = ExitCode.DONE
    with connected(target, screen.say) as connection:
        for source in arguments.files:
            try:
                with about(source):
                    _transcribe(source, arguments, connection, screen)
            except ClientError as error:
                screen.say(str(error))
                worst = max(worst, error.exit_code)
                if error.lasting:
                    break
    return worst


def _check(arguments: argparse.Namespace) -> None:
    files: list[Source] = arguments.files
    form = FORMATS[arguments.format]
    if arguments.output is None and len(files) > 1 and form is not Format.TXT:
        raise argparse.ArgumentTypeError(f"several files as {arguments.format} need --output DIR")
    names = [source.stem for source in files]
    if arguments.output is not None and (twice := {name for name in names if names.count(name) > 1}):
        raise argparse.ArgumentTypeError(f"--output: two files would be {min(twice)}.{form}: transcribe them apart")
    if sum(source.is_stdin for source in files) > 1:
        raise argparse.ArgumentTypeError("standard input can be read only once")


def _transcribe(source: Source, arguments: argparse.Namespace, connection: Connection, screen: Screen) -> None:
    form, place = FORMATS[arguments.format], _place(source, arguments)
    with source.opened():  # Before the server is asked.
        pass
    if arguments.stream:
        LiveStream(source, _stream_config(arguments, connection), form, place, screen).run(connection)
    else:
        Upload(source, _upload_config(arguments, form), place, screen).run(connection)


def _place(source: Source, arguments: argparse.Namespace) -> OpenDocument:
    if arguments.output is None:
        heading = f"==> {source.name} <==\n" if len(arguments.files) > 1 else ""
        return lambda: nullcontext(StandardOutput(heading))
    return functools.partial(document_file, arguments.output / f"{source.stem}.{FORMATS[arguments.format]}")


def _upload_config(arguments: argparse.Namespace, form: Format) -> pb.TranscribeConfig:
    words_alone = arguments.words and form is Format.TXT
    return pb.TranscribeConfig(
        model=arguments.model,
        audio_format=read_audio(arguments),
        speech=_speech(arguments, words=arguments.words),
        output_format=pb.OUTPUT_FORMAT_SEGMENTS if words_alone else _OUTPUT_FORMATS[form],
    )


def _stream_config(arguments: argparse.Namespace, connection: Connection) -> pb.StreamTranscribeConfig:
    words = arguments.words
    if FORMATS[arguments.format] in _SUBTITLES and not words:
        told = connection.attempt(
            lambda call: call.stub.GetModel(pb.GetModelRequest(model=arguments.model), **call.options)
        )
        words = told.model.word_times
    return pb.StreamTranscribeConfig(
        model=arguments.model,
        audio_format=read_audio(arguments),
        speech=_speech(arguments, words=words),
        interim_results=True,
    )


def _speech(arguments: argparse.Namespace, *, words: bool) -> pb.SpeechOptions:
    return pb.SpeechOptions(
        language=arguments.language,
        task=pb.TASK_TRANSLATE if arguments.translate else pb.TASK_TRANSCRIBE,
        word_times=words,
        initial_prompt=arguments.prompt,
        hotwords=arguments.hotwords,
    )
