"""What GetModel tells."""

from collections.abc import Mapping

from whisper_contract.digest import format_digest
from whisper_server.api import transcription_pb2 as pb
from whisper_server.configuration.settings import Settings
from whisper_server.engine.limits import (
    DECODING_RANGES,
    MAX_CONTEXT_CHARACTERS,
    MAX_SEQUENTIAL_SECONDS,
    VAD_RANGES,
    Range,
)
from whisper_server.live.interface import ENDPOINTING_LIMITS
from whisper_server.served_model import ServedModel


def model_response(model: ServedModel, settings: Settings) -> pb.GetModelResponse:
    """Return what is served, and what a request may ask of it."""
    return pb.GetModelResponse(model=_model(model), limits=_limits(settings))


def _model(model: ServedModel) -> pb.Model:
    return pb.Model(
        names=model.names,
        digest=format_digest(model.digest),
        languages=model.languages,
        multilingual=model.multilingual,
        word_times=model.times_words,
        device=model.device,
        compute_type=model.compute_type,
    )


def _limits(settings: Settings) -> pb.Limits:
    ranges = {**DECODING_RANGES, **_named("vad_", VAD_RANGES), **_named("endpointing_", ENDPOINTING_LIMITS)}
    return pb.Limits(
        max_message_bytes=settings.max_message_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        max_audio_seconds=settings.max_audio_seconds,
        max_sequential_audio_seconds=min(settings.max_audio_seconds, MAX_SEQUENTIAL_SECONDS),
        max_streams=settings.max_streams,
        max_deadline_seconds=settings.max_deadline_seconds,
        max_context_characters=MAX_CONTEXT_CHARACTERS,
        option_ranges=[pb.OptionRange(name=name, minimum=low, maximum=high) for name, (low, high) in ranges.items()],
    )


def _named(prefix: str, ranges: Mapping[str, Range]) -> dict[str, Range]:
    return {f"{prefix}{name}": taken for name, taken in ranges.items()}
