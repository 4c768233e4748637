"""`make demo`: from `kubectl apply` to a transcript on a real Kubernetes, each step with its time.

python -m tests.demo     on kind where Docker and kind are there, else on the embedded cluster (Linux, root)
CLUSTER=embedded|kind|current   chooses; with current, see the words it says when something is missing
"""

import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

from tests.cluster import binaries
from tests.cluster.errors import ClusterError
from tests.demo import kind
from tests.demo.current import CurrentCluster
from tests.demo.embedded import EmbeddedCluster
from tests.demo.kind import KindCluster
from tests.demo.story import NAME, NAMESPACE, RECORDING, Programs, Story, tell
from tests.demo.target import DemoError, Target
from tests.support.narration import Narrator
from tests.support.s3 import S3Server


class Demo:
    """One run: what it has brought up so far, so that an interruption at any moment can clear it away."""

    def __init__(self, target: Target) -> None:
        self.narrator = Narrator()
        self.target = target
        self.story: Story | None = None

    def run(self) -> None:
        """Bring everything up, tell the story, and say what to try next."""
        with self.narrator.step("Three images: operator, loader, server"):
            self.target.build_images()
        with self.narrator.step(f"A real Kubernetes: {self.target.title}"):
            programs = Programs(kubectl=_program("kubectl"), helm=_program("helm"), kubeconfig=self.target.bring_up())
            binaries.versitygw()
        self.story = Story(self.target, programs, self.narrator)
        self.story.clear_model()
        with S3Server.start(host=self.target.s3_host()) as s3:
            transcript = tell(self.story, s3, self.target.images())
        self._say_goodbye(self.story, transcript)

    def clear(self) -> None:
        """Take the cluster down if this run brought it up; otherwise remove what was applied to it."""
        if self.target.take_down() or self.story is None:
            return
        self.story.clear_model()
        self.story.clear_operator()

    def diagnosis(self) -> str:
        return self.story.diagnosis() if self.story else ""

    def _say_goodbye(self, story: Story, transcript: str) -> None:
        print(f"\n{RECORDING.name}: {transcript!r}\n")
        print(story.kubectl("get", "wm", NAME, "-n", NAMESPACE, shown=""))
        print(f"The whole way in {self.narrator.seconds:.0f} s. It still runs; what to try next:\n")
        print(f"  export KUBECONFIG={story.programs.kubeconfig}")
        if not shutil.which("kubectl"):
            print(f"  alias kubectl={story.programs.kubectl}")
        print(f"  kubectl describe wm {NAME} -n {NAMESPACE}")
        print(f"  kubectl scale wm {NAME} -n {NAMESPACE} --replicas=2")
        print(f"  kubectl port-forward service/{NAME} 50051 -n {NAMESPACE} &")
        client = ".venv/bin/python -m tests.support.riva_transcribe"
        print(f"  {client} localhost:50051 ko-KR tests/fixtures/recordings/ko-*.flac")
        print(f"  {self.target.farewell()}    # when you have seen enough")


def main() -> int:
    """Run the demo; return the exit code, 130 when it was interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    demo: Demo | None = None
    try:
        demo = Demo(_choose_target())
        demo.run()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\ninterrupted: clearing away what this run brought up", file=sys.stderr, flush=True)
        if demo is not None:
            demo.clear()
        return 130
    except (DemoError, ClusterError) as error:
        print(f"\ndemo: {error}", file=sys.stderr, flush=True)
        if demo is not None:
            print(demo.diagnosis(), file=sys.stderr, flush=True)
        return 1
    return 0


def _choose_target() -> Target:
    chosen = os.environ.get("CLUSTER") or ("kind" if kind.available() else "embedded")
    match chosen:
        case "embedded":
            return EmbeddedCluster()
        case "kind":
            return KindCluster()
        case "current":
            return CurrentCluster(_program("kubectl"))
        case other:
            raise DemoError(f"CLUSTER={other} is unknown: use embedded, kind or current")


def _program(name: str) -> Path:
    """Return the person's own kubectl or helm, else the one that the tests compile."""
    own = shutil.which(name)
    return Path(own) if own else getattr(binaries, name)()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
