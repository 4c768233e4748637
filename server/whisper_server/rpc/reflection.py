"""Reflection, as gRPC's own package has it, under the limits of every other stream."""

from collections.abc import Iterable
from typing import Any

from grpc_reflection.v1alpha import reflection

from whisper_server.rpc.calls import Calls


class Reflection(reflection.aio.ReflectionServicer):  # type: ignore[misc]  # the package has no annotations
    """By itself it takes what cannot be parsed for a defect of the server, and waits for the next request for ever."""

    def __init__(self, names: Iterable[str], calls: Calls) -> None:
        super().__init__(names)
        self._calls = calls

    async def ServerReflectionInfo(self, requests: Any, context: Any) -> None:  # noqa: N802 - the proto's name
        """Tell of services and their messages what is asked."""
        answers = super().ServerReflectionInfo(self._calls.reading(requests), context)
        await self._calls.answer_stream("ServerReflectionInfo", context, answers)
