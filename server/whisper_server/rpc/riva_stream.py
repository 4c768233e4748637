"""The requests of Riva's StreamingRecognize: a config first, then audio and nothing else."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from whisper_server.errors import InvalidRequestError

_ONEOF = "streaming_request"
_CONFIG, _AUDIO = "streaming_config", "audio_content"


async def read_first(requests: AsyncIterator[Any]) -> Any:
    """Return the first request of a stream, which holds the config.

    Raises:
        InvalidRequestError: when there is none, or it holds something else.
    """
    first = await anext(requests, None)
    if first is None:
        raise InvalidRequestError(f"the stream ended before its first request: send a {_CONFIG}, then audio")
    if first.WhichOneof(_ONEOF) != _CONFIG:
        raise InvalidRequestError(f"the first request of a stream must hold its {_CONFIG}, and it holds {_what(first)}")
    _refuse_changes(first)
    return first


async def audio_of(requests: AsyncIterator[Any]) -> AsyncGenerator[bytes, None]:
    """Yield the audio of the requests that follow the first.

    Raises:
        InvalidRequestError: when one of them holds something else.
    """
    async for request in requests:
        if request.WhichOneof(_ONEOF) != _AUDIO:
            raise InvalidRequestError(f"a stream's later requests must hold {_AUDIO}, and one holds {_what(request)}")
        _refuse_changes(request)
        yield request.audio_content


def _what(request: Any) -> str:
    return request.WhichOneof(_ONEOF) or "nothing"


def _refuse_changes(request: Any) -> None:
    if request.runtime_config:
        raise InvalidRequestError("runtime_config: nothing can be changed while a stream goes on")
