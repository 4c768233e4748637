"""buf, which checks our own protocol: its rules, and that it goes on with what was published.

python -m tests.support.buf    # says that the protocol as it is has been published: `make release`
"""

import subprocess
from pathlib import Path

from tests.cluster.binaries import cached
from tests.cluster.packages import ensure
from tests.cluster.steps import run_step
from tests.support.stubs import PROTOS

VERSION = "1.75.0"
#: The protocol that clients have been told, as buf's image.
PUBLISHED = PROTOS / "published.binpb"


def buf(*arguments: str, folder: Path = PROTOS) -> subprocess.CompletedProcess[str]:
    """Run buf on the protocol in `folder`.

    Raises:
        ClusterError: npm, by which it comes, is missing, or could not install it.
    """
    program = cached("buf", VERSION, _install) / "node_modules" / ".bin" / "buf"
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def _install(target: Path) -> None:
    ensure({"node": "nodejs", "npm": "npm"})
    package = f"@bufbuild/buf@{VERSION}"
    run_step(["npm", "install", "--prefix", str(target), "--no-audit", "--no-fund", package], what=package)


if __name__ == "__main__":
    buf("build", "--exclude-source-info", "--output", str(PUBLISHED)).check_returncode()
