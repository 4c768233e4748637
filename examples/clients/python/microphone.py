"""Write down what is said into the microphone while it is spoken; Ctrl-C ends it.

    pip install sounddevice grpcio protobuf grpcio-tools   # on Debian and Ubuntu also: apt install libportaudio2
    python -m grpc_tools.protoc -I server/proto --python_out=. --grpc_python_out=. whisper/v1/transcription.proto
    python microphone.py HOST:50051 [--wav recording.wav] [--language ko] [--ca ca.pem --token-file token]

The second line writes whisper/v1/*_pb2*.py beside this file. With --wav a recording plays the speaker.
"""

import argparse
import signal
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
from whisper.v1 import transcription_pb2 as pb
from whisper.v1 import transcription_pb2_grpc

RATE = 16_000
CHUNK_FRAMES = RATE // 10

WHAT_TO_DO = {
    grpc.StatusCode.UNAVAILABLE: "Is a server running there, and has it loaded its model? Does it want TLS (--tls)?",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "As many streams are open as may be: try again later.",
    grpc.StatusCode.UNAUTHENTICATED: "Give a token that the server knows, with --token-file.",
}

# Each stream goes to the next of all servers that the address resolves to. It has no deadline, and no retryPolicy,
# which may lose what is on its way when a try fails.
SERVICE_CONFIG = '{"loadBalancingConfig": [{"round_robin": {}}]}'
TRIES = 5
# After these a new stream may do.
PASSING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.RESOURCE_EXHAUSTED}


def microphone() -> Callable[[], bytes]:
    """Return what reads the next samples of the default microphone."""
    try:
        import sounddevice  # Here, so that --wav needs no sound system.
    except (ImportError, OSError) as error:
        sys.exit(f"{error}: pip install sounddevice; on Debian and Ubuntu also apt install libportaudio2")
    try:
        stream = sounddevice.RawInputStream(samplerate=RATE, channels=1, dtype="int16")
        stream.start()
    except sounddevice.PortAudioError as error:
        sys.exit(f"{error}: is a microphone plugged in, and allowed? --wav plays a file instead.")
    print("Speak; Ctrl-C ends.", file=sys.stderr)
    return lambda: bytes(stream.read(CHUNK_FRAMES)[0])


def recording(path: Path) -> Callable[[], bytes]:
    """Return what reads the next samples of a WAV file as fast as they were spoken; nothing at its end."""
    try:
        file = wave.open(str(path))
    except (wave.Error, EOFError) as error:
        raise wave.Error(f"{path} is no WAV file: {error}") from error
    if (file.getframerate(), file.getsampwidth(), file.getnchannels()) != (RATE, 2, 1):
        raise wave.Error(f"{path} has to be mono, of 16 bits and {RATE} Hz")

    def read() -> bytes:
        time.sleep(CHUNK_FRAMES / RATE)
        samples: bytes = file.readframes(CHUNK_FRAMES)
        return samples

    return read


def connect(options: argparse.Namespace) -> Any:
    """Return a channel; nothing is sent before its first call."""
    channel = [("grpc.service_config", SERVICE_CONFIG)]
    if not (options.tls or options.ca):
        return grpc.insecure_channel(options.server, channel)
    credentials = grpc.ssl_channel_credentials(options.ca.read_bytes() if options.ca else None)
    if options.token_file:
        token = grpc.access_token_call_credentials(options.token_file.read_text().strip())
        credentials = grpc.composite_channel_credentials(credentials, token)
    return grpc.secure_channel(options.server, credentials, channel)


def requests(
    read: Callable[[], bytes], stopped: threading.Event, language: str
) -> Iterator[pb.StreamTranscribeRequest]:
    """Yield the config, then samples as they come."""
    yield pb.StreamTranscribeRequest(
        config=pb.StreamTranscribeConfig(
            audio_format=pb.AudioFormat(encoding=pb.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hertz=RATE),
            speech=pb.SpeechOptions(language=language, word_times=True),
            interim_results=True,
        )
    )
    while not stopped.is_set() and (samples := read()):
        yield pb.StreamTranscribeRequest(audio=samples)


def show(response: pb.StreamTranscribeResponse) -> None:
    """Print an utterance as it ends, and before that what it says so far."""
    if response.HasField("interim"):
        print(f"... {response.interim.text.strip()}")
    for segment in response.final.segments:
        print(f"{segment.start:.2f} - {segment.end:.2f} [{segment.language}]{segment.text}", flush=True)


def listen(channel: Any, read: Callable[[], bytes], stopped: threading.Event, language: str) -> None:
    """Show what is said until there is no more; a stream that breaks off is followed by another."""
    stub = transcription_pb2_grpc.TranscriptionStub(channel)
    tried = 0
    while True:
        try:
            for response in stub.StreamTranscribe(requests(read, stopped, language)):
                tried = 0
                show(response)
        except grpc.RpcError as error:
            tried += 1
            if tried == TRIES or error.code() not in PASSING:
                raise
            print(f"{error.details()}: a new stream in {2 ** (tried - 1)} s; say the last again.", file=sys.stderr)
            time.sleep(2 ** (tried - 1))
        else:
            return


def main() -> int:
    """Print what is said."""
    parser = argparse.ArgumentParser(description="Write down what is said while it is spoken.")
    parser.add_argument("server", help="HOST:PORT")
    parser.add_argument("--wav", type=Path, help="play this file instead of listening to the microphone")
    parser.add_argument("--language", default="", help="such as en or ko; left out to be detected")
    parser.add_argument("--tls", action="store_true", help="speak TLS")
    parser.add_argument("--ca", type=Path, help="PEM file of the authority of the server's certificate; speaks TLS")
    parser.add_argument("--token-file", type=Path, help="file of the token that the server asks for; needs TLS")
    options = parser.parse_args()
    if options.token_file and not (options.tls or options.ca):
        parser.error("--token-file needs --tls or --ca: else anybody on the way could read the token")
    stopped = threading.Event()
    try:
        read = recording(options.wav) if options.wav else microphone()
        # What was said last still comes.
        signal.signal(signal.SIGINT, lambda *_: stopped.set())
        with connect(options) as channel:
            listen(channel, read, stopped, options.language)
    except (OSError, wave.Error) as error:
        sys.exit(str(error))
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}. {WHAT_TO_DO.get(error.code(), '')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
