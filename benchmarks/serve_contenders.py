"""The servers of `benchmarks.serve`: ours and two peers, each a process of its own over the same model."""

import json
import socket
import subprocess
import sysconfig
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.checkpoint import LARGE_V3_TURBO, make_checkpoint
from benchmarks.processes import Asked, module, running

SMALL = Path(__file__).parents[1] / "tests" / "fixtures" / "speech-model"
_MOST_AT_A_TIME = 1024
_SCRIPTS = Path(sysconfig.get_path("scripts"))
_PEERS = {"sequential": "(a) one at a time, locked", "batched": "(b) batched pipeline, locked"}


@dataclass(frozen=True, slots=True)
class Running:
    """How every contender runs its model.

    Attributes:
        device: cpu or cuda.
        compute_type: of CTranslate2.
        threads: of each model; 0 for every core.
        max_new_tokens: of each window's text; 0 for as many as the model writes.
    """

    device: str
    compute_type: str
    threads: int
    max_new_tokens: int

    @property
    def arguments(self) -> tuple[object, ...]:
        """Return what the benchmark's own programs are started with."""
        return self.device, self.compute_type, self.threads, self.max_new_tokens


@dataclass(frozen=True, slots=True)
class Contender:
    """A server that is measured.

    Attributes:
        name: as the table has it.
        address: host and port of its gRPC.
        pid: of its process.
        options: sent to it with each request.
        is_ours: and not a peer.
    """

    name: str
    address: str
    pid: int
    options: Mapping[str, str] = field(default_factory=dict)
    is_ours: bool = False


def publish(folder: Path, shape: str, say: Callable[[str], None]) -> Path:
    """Return the directory of the published model: the small real one, or random weights in the shape of turbo."""
    source = SMALL if shape == "small" else make_checkpoint(folder / "checkpoint", LARGE_V3_TURBO, say)
    command = [_SCRIPTS / "whisper-model", "pull", source, "--store", folder / "store", "--json"]
    done = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE)
    return Path(json.loads(done.stdout)["path"])


@contextmanager
def running_contenders(model: Path, how: Running) -> Iterator[list[Contender]]:
    """Start them all; ours is the first."""
    with ExitStack() as stack:
        found = [stack.enter_context(_ours(model, how))]
        for kind, name in _PEERS.items():
            peer = stack.enter_context(module("serve_peers", model, kind, *how.arguments))
            found.append(Contender(name, f"127.0.0.1:{int(peer.read_line())}", peer.process.pid))
        yield found


@contextmanager
def _ours(model: Path, how: Running) -> Iterator[Contender]:
    grpc_port, probe_port = _free_port(), _free_port()
    flags = {
        "--model": model,
        "--device": how.device,
        "--compute-type": how.compute_type,
        "--cpu-threads": how.threads,
        "--host": "127.0.0.1",
        "--grpc-port": grpc_port,
        "--probe-port": probe_port,
        "--http-port": 0,
        # As many as the benchmark sends: what is measured is the model, not what people allow.
        **dict.fromkeys(("--max-requests", "--max-streams", "--grpc-max-concurrent-streams"), _MOST_AT_A_TIME),
        "--log-level": "warning",
    }
    command = [_SCRIPTS / "whisper-server", *(part for flag in flags.items() for part in flag)]
    with running(command) as server:
        _wait_ready(probe_port, server)
        options = {"temperature": "0"} | ({"max_new_tokens": f"{how.max_new_tokens}"} if how.max_new_tokens else {})
        yield Contender("ours", f"127.0.0.1:{grpc_port}", server.process.pid, options, is_ours=True)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _wait_ready(port: int, server: Asked) -> None:
    while server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
                return
        except OSError:
            continue
    raise EOFError(f"whisper-server ended with {server.process.returncode}")
