"""What users have today, behind the same protocol as ours: faster-whisper, one request at a time behind a lock.

  python -m benchmarks.serve_peers MODEL {sequential,batched} DEVICE COMPUTE_TYPE THREADS MAX_NEW_TOKENS

It prints the port that it listens on.
"""

import asyncio
import io
import sys
from collections.abc import Callable, Iterable
from typing import Any

import grpc
from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio
from riva.client.proto import riva_asr_pb2, riva_asr_pb2_grpc

BEAM_SIZE = 5


class Locked(riva_asr_pb2_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc]  # the package has no types
    """Riva's Recognize over one call at a time; streams are not served."""

    def __init__(self, transcribe: Callable[..., tuple[Iterable[Any], Any]], max_new_tokens: int | None) -> None:
        self._transcribe = transcribe
        self._max_new_tokens = max_new_tokens
        self._lock = asyncio.Lock()

    async def Recognize(self, request: Any, _: Any) -> Any:  # noqa: N802 - the proto's name
        """Decode in a thread, then wait for the lock."""
        samples = await asyncio.to_thread(decode_audio, io.BytesIO(request.audio))
        hotwords = " ".join(phrase for context in request.config.speech_contexts for phrase in context.phrases)
        async with self._lock:
            text = await asyncio.to_thread(self._write, samples, hotwords or None)
        alternative = riva_asr_pb2.SpeechRecognitionAlternative(transcript=text)
        result = riva_asr_pb2.SpeechRecognitionResult(alternatives=[alternative])
        return riva_asr_pb2.RecognizeResponse(results=[result])

    def _write(self, samples: Any, hotwords: str | None) -> str:
        segments, _ = self._transcribe(
            samples,
            language="en",
            beam_size=BEAM_SIZE,
            temperature=0.0,
            without_timestamps=True,
            vad_filter=True,
            hotwords=hotwords,
            max_new_tokens=self._max_new_tokens,
        )
        return "".join(segment.text for segment in segments)


async def main() -> None:
    """Serve until the end of standard input."""
    path, kind, device, compute_type, threads, max_new_tokens = sys.argv[1:]
    model = WhisperModel(path, device=device, compute_type=compute_type, cpu_threads=int(threads))
    transcribe = model.transcribe if kind == "sequential" else BatchedInferencePipeline(model).transcribe
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 64 << 20)])
    riva_asr_pb2_grpc.add_RivaSpeechRecognitionServicer_to_server(
        Locked(transcribe, int(max_new_tokens) or None), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(main())
