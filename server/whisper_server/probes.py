"""The plain HTTP port for kubelet and Prometheus: /health/… and /metrics. It never has TLS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from whisper_server.lifecycle import Lifecycle
from whisper_server.metrics import CONTENT_TYPE, Metrics
from whisper_server.protocol_log import protocol_log


def probe_application(lifecycle: Lifecycle, metrics: Metrics) -> web.Application:
    """Return the application that answers from `lifecycle` and `metrics`."""

    async def startup(_: web.Request) -> web.Response:
        return _answer(lifecycle, good=lifecycle.started)

    async def ready(_: web.Request) -> web.Response:
        return _answer(lifecycle, good=lifecycle.ready)

    async def live(_: web.Request) -> web.Response:
        # Not bound to readiness: a server that loads or drains must not be restarted for it.
        return _answer(lifecycle, good=True)

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=metrics.expose(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.router.add_get("/health", ready)
    application.router.add_get("/health/startup", startup)
    application.router.add_get("/health/ready", ready)
    application.router.add_get("/health/live", live)
    application.router.add_get("/metrics", show_metrics)
    return application


def _answer(lifecycle: Lifecycle, *, good: bool) -> web.Response:
    return web.Response(text=f"{lifecycle.phase}\n", status=200 if good else 503)


@asynccontextmanager
async def serving_probes(application: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve `application` and yield the port in use; OSError when it is taken."""
    # Access to probes is no news, and handlers have nothing to finish when the process ends.
    runner = web.AppRunner(application, access_log=None, logger=protocol_log(), shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host or None, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
