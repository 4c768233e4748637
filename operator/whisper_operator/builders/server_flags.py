"""The command line of the servers."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import msgspec

from whisper_contract.store import STORE_MOUNT
from whisper_operator.api.model import Model
from whisper_operator.api.spec import Device, Options, Server
from whisper_operator.api.status import Artifact
from whisper_operator.builders import pods, rollout
from whisper_operator.builders.server_files import server_files


def server_flags(model: Model, artifact: Artifact) -> list[str]:
    """Return the arguments of a server of `artifact`."""
    server = model.spec.server
    return [
        *("--model", pods.literal(str(PurePosixPath(STORE_MOUNT, artifact.path)))),
        *flags_of_spec(
            model.name,
            server,
            device=server.device_in_use,
            drain_delay_seconds=rollout.DRAIN_DELAY_SECONDS,
            files=[flag for files in server_files(server) for flag in files.flags],
        ),
    ]


def flags_of_spec(
    name: str, server: Server, *, device: Device, drain_delay_seconds: int, files: Sequence[str]
) -> list[str]:
    """Return what the spec of the model `name` says of its servers; `files` are the flags that name files."""
    return [
        *("--model-name", ",".join(server.model_names or (name,))),
        *("--device", device.value),
        *(("--compute-type", ",".join(server.compute_type)) if server.compute_type else ()),
        *rollout.drain_flags(server.rollout, drain_delay_seconds),
        *_options(server.options),
        *files,
        *_tokens_without_tls(server),
        *_golden_limit(server),
    ]


def _options(options: Options) -> Iterator[str]:
    """Yield a flag for each option that is set: they have the server's own names."""
    for field in msgspec.structs.fields(options):
        value = getattr(options, field.name)
        if isinstance(value, int | str):
            yield f"--{field.name.replace('_', '-')}"
            yield str(value).lower() if isinstance(value, bool) else str(value)


def _golden_limit(server: Server) -> list[str]:
    clip = server.golden_clip
    return ["--golden-max-word-error-percent", str(clip.max_word_error_percent)] if clip is not None else []


def _tokens_without_tls(server: Server) -> list[str]:
    return ["--allow-tokens-without-tls"] if server.auth is not None and server.auth.allow_without_tls else []
