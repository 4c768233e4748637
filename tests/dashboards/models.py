"""WhisperModels for a real operator: two that serve, two that come, one whose pulls fail.

As in the integration tests there are no nodes: what kubelets would report of the pods is reported here.
"""

import time
from pathlib import Path

from tests.cluster.control_plane import ControlPlane
from tests.integration.world import World
from whisper_contract.termination import TerminationMessage

REFUSED = TerminationMessage(step="pull", reason="Unauthorized", message="The key AKIA… is not known to the server.")


class Models:
    """WhisperModels in two namespaces.

    Attributes:
        speech: the namespace of the model that hears live streams.
        media: the namespace of all others.
    """

    def __init__(self, control_plane: ControlPlane, artifact: Path) -> None:
        self.speech, self.media = World(control_plane, "speech"), World(control_plane, "media")
        self._size = sum(file.stat().st_size for file in artifact.rglob("*") if file.is_file())
        for world in (self.speech, self.media):
            world.create_namespace()

    def begin(self, world: World, name: str) -> None:
        """Have a model whose pull runs."""
        world.apply(name)
        world.until_job(name=name)

    def pull(self, world: World, name: str) -> None:
        """Let the pull succeed."""
        world.publish(world.until_job(name=name), size_bytes=self._size)
        world.until(f"{name} has a Deployment", lambda: world.exists("deployment", f"{name}-server"))

    def serve(self, world: World, name: str) -> str:
        """Have a model that is ready, and return the name of its server's pod."""
        self.begin(world, name)
        self.pull(world, name)
        world.serve(name)
        (pod,) = world.server_pods(name)
        return str(pod["metadata"]["name"])

    def come_and_fail(self, seconds: float) -> None:
        """Over so many seconds let two models come that become ready, and one that does not."""
        pause = seconds / 8
        time.sleep(pause)
        self.begin(self.media, "archive")
        self.begin(self.media, "dubbing")
        time.sleep(pause)
        self.media.fail_pull(self.media.until_job(name="archive"), 65, REFUSED)
        time.sleep(pause)
        self.pull(self.media, "dubbing")
        time.sleep(pause)
        self.media.serve("dubbing")
        self.begin(self.media, "interviews")
        time.sleep(pause)
        self.media.fail_pull(self.media.until_job(attempt=2, name="archive"), 65, REFUSED)
        self.pull(self.media, "interviews")
        time.sleep(pause)
        self.media.serve("interviews")
