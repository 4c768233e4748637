"""`grpc.health.v1.Health`, as gRPC's own package has it, with an end to its watches."""

import asyncio
from typing import Any

from grpc_health.v1 import health


class Health(health.aio.HealthServicer):  # type: ignore[misc]  # the package has no annotations
    """A watch goes on for ever, and would keep a server that ends waiting for its whole grace period."""

    def __init__(self) -> None:
        super().__init__()
        self._over = asyncio.Event()

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - the proto's name
        """Tell each change of a service's health until the caller or the server has enough."""
        watching, over = asyncio.create_task(super().Watch(request, context)), asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait((watching, over), return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()  # It ends by itself only when the caller cannot be told.
        finally:
            watching.cancel()
            over.cancel()

    def end_watches(self) -> None:
        """Let every watch end now, and those to come."""
        self._over.set()
