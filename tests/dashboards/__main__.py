"""`make dashboard-pictures`: draws the chart's dashboards of what a real Prometheus reads of operators and servers.

It brings up a control plane, two operators, one of which stands by, and two servers of the tests' small model with a
thread each, uses all of them for some minutes and writes docs/pictures/dashboard-*.svg.
"""

import argparse
import asyncio
import json
import tempfile
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.cluster.control_plane import ControlPlane
from tests.dashboards.calls import call_for
from tests.dashboards.models import Models
from tests.dashboards.panels import read_panels
from tests.dashboards.picture import draw
from tests.dashboards.prometheus import SCRAPE_SECONDS, Prometheus, Scraped
from tests.integration.operator_process import OperatorProcess
from tests.support.chart import CHART, NAMESPACE
from tests.support.models import SPEECH_MODEL, publish
from tests.support.whispermodels import install_crd
from tests.unit.server.process import ServerProcess

DASHBOARDS = CHART / "monitoring"
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


def start_operators(stack: ExitStack, control_plane: ControlPlane, folder: Path) -> list[Scraped]:
    """Start two of which one is at work, and return how they are scraped."""
    control_plane.kubectl("create", "namespace", NAMESPACE)
    lease = (f"--lease-namespace={NAMESPACE}", "--lease-name=whisper-operator")
    scraped = []
    for number in range(2):
        operator = OperatorProcess(control_plane.kubeconfig, folder / f"operator-{number}.log", *lease)
        if number == 0:
            operator.start()
        else:
            operator.launch()
        stack.callback(operator.stop)
        labels = {"job": "whisper-operator", "namespace": NAMESPACE, "pod": f"whisper-operator-{number}"}
        scraped.append(Scraped(operator.address, labels))
    return scraped


def start_server(
    stack: ExitStack, artifact: Path, folder: Path, labels: dict[str, str]
) -> tuple[ServerProcess, Scraped]:
    """Start one, and return it and how it is scraped."""
    folder.mkdir()
    arguments = ("--model", str(artifact), "--device", "cpu", "--cpu-threads", "1")
    server = stack.enter_context(ServerProcess(folder, *arguments))
    server.line("ready")
    probe_port = server.line("loading ")["probe_port"]
    return server, Scraped(f"127.0.0.1:{probe_port}", {"job": "whisper-operator-servers", **labels})


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(prog="make dashboard-pictures", description=__doc__)
    parser.add_argument("--minutes", type=float, default=4.0)
    seconds = parser.parse_args().minutes * 60
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        artifact = publish(SPEECH_MODEL, folder / "store")
        control_plane = stack.enter_context(ControlPlane.start())
        install_crd(control_plane.kubectl)
        scraped = start_operators(stack, control_plane, folder)
        models = Models(control_plane, artifact)
        servers = []
        for world, name in ((models.speech, "calls"), (models.media, "subtitles")):
            labels = {"namespace": world.namespace, "model": name, "pod": models.serve(world, name)}
            server, told = start_server(stack, artifact, folder / name, labels)
            servers.append(server)
            scraped.append(told)
        prometheus = stack.enter_context(Prometheus(folder / "prometheus", scraped))
        begin = time.time()
        story = threading.Thread(target=models.come_and_fail, args=(seconds,))
        story.start()
        asyncio.run(call_for(seconds, *servers))
        story.join()
        ask = partial(prometheus.ask, start=begin, end=time.time())
        for file in sorted(DASHBOARDS.glob("*.json")):
            dashboard = json.loads(file.read_text())
            panels = read_panels(dashboard, ask, rate_interval=f"{15 * SCRAPE_SECONDS}s")
            (PICTURES / f"dashboard-{file.stem}.svg").write_text(draw(dashboard["title"], panels))


if __name__ == "__main__":
    main()
