"""Write down speech while it is spoken, with NVIDIA's Riva client; a WAV file plays the speaker.

    pip install nvidia-riva-client
    python riva_live.py HOST:50051 recording.wav [--language ko-KR] [--ca ca.pem --token-file token]

For a microphone give streaming_response_generator its chunks in place of the file's: see microphone.py.
"""

import argparse
import sys
from pathlib import Path

import grpc
import riva.client

CHUNK_SECONDS = 0.1

WHAT_TO_DO = {
    grpc.StatusCode.UNAVAILABLE: "Is a server running there, and has it loaded its model? Does it want TLS (--tls)?",
    grpc.StatusCode.DEADLINE_EXCEEDED: "Send silence while nobody speaks: a stream that sends nothing is ended.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "As many streams are open as may be: try again later.",
    grpc.StatusCode.UNAUTHENTICATED: "Give a token that the server knows, with --token-file.",
}

# Each stream goes to the next of all servers that the address resolves to. It has no deadline, and no retryPolicy,
# which may lose what is on its way when a try fails.
SERVICE_CONFIG = '{"loadBalancingConfig": [{"round_robin": {}}]}'


def connect(options: argparse.Namespace) -> riva.client.ASRService:
    """Return the service; nothing is sent before its first call."""
    metadata = []
    if options.token_file:
        metadata = [["authorization", f"Bearer {options.token_file.read_text().strip()}"]]
    channel = [("grpc.service_config", SERVICE_CONFIG)]
    return riva.client.ASRService(
        riva.client.Auth(
            uri=options.server,
            use_ssl=options.tls,
            ssl_root_cert=options.ca,
            metadata_args=metadata,
            options=channel,
        )
    )


def listen(service: riva.client.ASRService, options: argparse.Namespace) -> None:
    """Print each utterance as it ends, and before that what it says so far."""
    wav = riva.client.get_wav_file_parameters(options.recording)
    if wav is None:
        sys.exit(f"{options.recording} is not there, or no WAV file")
    config = riva.client.StreamingRecognitionConfig(
        config=riva.client.RecognitionConfig(language_code=options.language, enable_word_time_offsets=True),
        interim_results=True,
    )
    frames = int(wav["framerate"] * CHUNK_SECONDS)
    with riva.client.AudioChunkFileIterator(options.recording, frames, riva.client.sleep_audio_length) as chunks:
        for response in service.streaming_response_generator(chunks, config):
            for result in response.results:
                best = result.alternatives[0]
                if not result.is_final:
                    print(f"... {best.transcript.strip()}")
                elif best.words:
                    begin, end = best.words[0].start_time / 1000, best.words[-1].end_time / 1000
                    print(f"{begin:.2f} - {end:.2f} [{', '.join(best.language_code)}]{best.transcript}", flush=True)


def main() -> int:
    """Play a recording to the server."""
    parser = argparse.ArgumentParser(description="Write down speech while it is spoken.")
    parser.add_argument("server", help="HOST:PORT")
    parser.add_argument("recording", type=Path, help="a WAV file")
    parser.add_argument("--language", default="multi", help="such as en-US; left out to be detected")
    parser.add_argument("--tls", action="store_true", help="speak TLS")
    parser.add_argument("--ca", help="PEM file of the authority of the server's certificate; speaks TLS")
    parser.add_argument("--token-file", type=Path, help="file of the token that the server asks for; needs TLS")
    options = parser.parse_args()
    if options.token_file and not (options.tls or options.ca):
        parser.error("--token-file needs --tls or --ca: else anybody on the way could read the token")
    try:
        listen(connect(options), options)
    except OSError as error:
        sys.exit(str(error))
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}. {WHAT_TO_DO.get(error.code(), '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
