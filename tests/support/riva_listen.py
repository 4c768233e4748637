"""Stream recordings with NVIDIA's own Riva client as its published transcribe_file.py does, and print what it prints.

    python -m tests.support.riva_listen HOST:PORT [--show no|time|confidence] [--interim-results] [--realtime] FILE…

A process of its own for the same reasons as riva_transcribe. It uses nothing of this project.
"""

import argparse
import sys

import grpc
import riva.client


def main(arguments: list[str]) -> int:
    """Stream every file; exit code 1 with the server's words when a call fails."""
    parser = argparse.ArgumentParser(description="Stream recordings with NVIDIA's Riva client.")
    parser.add_argument("server", help="HOST:PORT")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--language-code", default="en-US")
    parser.add_argument("--show", default="no", choices=["no", "time", "confidence"], help="additional_info")
    parser.add_argument("--interim-results", action="store_true")
    parser.add_argument("--realtime", action="store_true", help="send no faster than it was spoken")
    parser.add_argument("--file-streaming-chunk", type=int, default=1600)
    parser.add_argument("--stop-history", type=int, default=-1)
    parser.add_argument("--custom-configuration", default="")
    options = parser.parse_args(arguments)
    service = riva.client.ASRService(riva.client.Auth(uri=options.server))
    for file in options.files:
        try:
            _listen(service, file, options)
        except grpc.RpcError as error:
            print(f"{file}: {error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    return 0


def _listen(service: riva.client.ASRService, file: str, options: argparse.Namespace) -> None:
    with_words = options.show == "time"
    config = riva.client.StreamingRecognitionConfig(
        config=riva.client.RecognitionConfig(
            language_code=options.language_code, max_alternatives=1, enable_word_time_offsets=with_words
        ),
        interim_results=options.interim_results,
    )
    riva.client.add_word_boosting_to_config(config, ["Ada", "Bo"], 20.0)
    riva.client.add_endpoint_parameters_to_config(config, -1, -1.0, options.stop_history, -1, -1.0, -1.0)
    riva.client.add_custom_configuration_to_config(config, options.custom_configuration)
    pace = riva.client.sleep_audio_length if options.realtime else None
    with riva.client.AudioChunkFileIterator(file, options.file_streaming_chunk, pace) as chunks:
        riva.client.print_streaming(
            service.streaming_response_generator(chunks, config),
            additional_info=options.show,
            word_time_offsets=with_words,
            show_intermediate=options.show == "no" and options.interim_results,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
