"""One model shared by many callers: ours beside faster-whisper behind a lock, and the limit.

Contenders are servers in processes of their own, the callers are in one more (`benchmarks.serve_load`), all on this
machine and over loopback. Each scenario's requests are interleaved between the contenders in blocks. Peers: (a)
faster-whisper one request at a time behind a lock, as most people serve it; (b) its batched pipeline behind the same
lock (`benchmarks.serve_peers`). The limit is `benchmarks.serve_limit`: the same windows through the same decoding,
voice activity and feature code, in static batches of the best size, with nobody to wait for. All use the same model,
beam 5, English given, temperature 0 without fallback.

CPU seconds are the server's own; of the callers nothing is counted. On a CPU the goal is told by them, since callers
and server share its cores; on a GPU by audio seconds a second.

  python -m benchmarks.serve
  python -m benchmarks.serve --device cuda --shape turbo --compute-type float16
"""

import argparse
import json
import random
import re
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.checkpoint import LARGE_V3_TURBO, make_checkpoint
from benchmarks.measure import MIB, machine, table
from benchmarks.processes import Asked, cpu_seconds, module, peak_memory_bytes, reset_peak_memory, running
from benchmarks.serve_audio import make_long_files, short_files
from benchmarks.serve_load import Work

SMALL = Path(__file__).parents[1] / "tests" / "fixtures" / "speech-model"
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
PROMPT_LENGTHS = 16
STREAMS_ON_CPU = 4
_BLOCKS = 10
_SCRIPTS = Path(sysconfig.get_path("scripts"))
_HEADERS = ("", "audio s / s", "CPU s / audio s", "p50 ms", "p95 ms", "peak MiB", "of the limit")


@dataclass(frozen=True, slots=True)
class Contender:
    """A server that is measured.

    Attributes:
        name: as the table has it.
        address: host and port of its gRPC.
        pid: of its process.
        temperature: sent to it as an option, if not empty.
    """

    name: str
    address: str
    pid: int
    temperature: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What callers do.

    Attributes:
        name: as the table has it.
        work: without a server.
        limit: which of the limit's figures it is held against.
    """

    name: str
    work: Work
    limit: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What a scenario came to for one contender."""

    audio_seconds: float
    wall: float
    cpu: float
    latencies: list[float]
    peak_bytes: int


def main() -> None:
    """Run the benchmark."""
    arguments = _parse()
    with tempfile.TemporaryDirectory(prefix="whisper-serve-") as name, ExitStack() as stack:
        folder = Path(name)
        model = _publish(folder, arguments.shape)
        short, long = short_files(), make_long_files(folder)
        limit = stack.enter_context(
            module("serve_limit", model, arguments.device, arguments.compute_type, arguments.threads)
        )
        best, limits = _find_limits(limit, short, long, arguments.device)
        contenders = stack.enter_context(_contenders(model, arguments))
        callers = stack.enter_context(module("serve_load"))
        print(f"{machine()}{_gpu(arguments.device)}; {arguments.shape} model, {arguments.compute_type}\n")
        print(_limits_table(limits))
        for scenario in _scenarios(short, long, 4 * best, arguments):
            _say(scenario.name)
            found = _race(contenders, callers, scenario)
            rows = [_row(one, found[one.name], limits[scenario.limit][best], arguments.device) for one in contenders]
            print(f"\n**{scenario.name}**\n\n{table(_HEADERS, rows)}", flush=True)
        ours = contenders[0]
        print(f"\n**One caller beside a direct call**\n\n{_added_latency(ours, callers, limit, short)}", flush=True)
        print(f"\n**Streams**\n\n{_streams(ours, callers, short, arguments)}", flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where the models run (%(default)s)")
    parser.add_argument("--shape", choices=("small", "turbo"), default="small", help="the model (%(default)s)")
    parser.add_argument("--compute-type", default="float32", metavar="TYPE", help="of CTranslate2 (%(default)s)")
    parser.add_argument("--requests", type=int, default=500, metavar="N", help="of each contender (%(default)s)")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, STREAMS_ON_CPU], metavar="N", help="%(default)s")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of each model; 0: every core")
    return parser.parse_args()


def _say(text: str) -> None:
    print(f"serve: {text}", file=sys.stderr, flush=True)


def _publish(folder: Path, shape: str) -> Path:
    """Return the directory of the published model: the small real one, or random weights in the shape of turbo."""
    source = SMALL if shape == "small" else make_checkpoint(folder / "checkpoint", LARGE_V3_TURBO, _say)
    command = [_SCRIPTS / "whisper-model", "pull", source, "--store", folder / "store", "--json"]
    done = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE)
    return Path(json.loads(done.stdout)["path"])


@contextmanager
def _contenders(model: Path, arguments: argparse.Namespace) -> Iterator[list[Contender]]:
    device, compute_type, threads = arguments.device, arguments.compute_type, arguments.threads
    with ExitStack() as stack:
        ours = stack.enter_context(_our_server(model, arguments))
        found = [ours]
        for kind, name in (("sequential", "(a) one at a time, locked"), ("batched", "(b) batched pipeline, locked")):
            peer = stack.enter_context(module("serve_peers", model, kind, device, compute_type, threads))
            found.append(Contender(name, f"127.0.0.1:{int(peer.read_line())}", peer.process.pid))
        yield found


@contextmanager
def _our_server(model: Path, arguments: argparse.Namespace) -> Iterator[Contender]:
    grpc_port, probe_port = _free_port(), _free_port()
    flags = {
        "--model": model,
        "--device": arguments.device,
        "--compute-type": arguments.compute_type,
        "--cpu-threads": arguments.threads,
        "--host": "127.0.0.1",
        "--grpc-port": grpc_port,
        "--probe-port": probe_port,
        "--http-port": 0,
        "--log-level": "warning",
    }
    command = [_SCRIPTS / "whisper-server", *(part for flag in flags.items() for part in flag)]
    with running(command) as server:
        _wait_ready(probe_port, server)
        yield Contender("ours", f"127.0.0.1:{grpc_port}", server.process.pid, temperature="0")


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


def _find_limits(
    limit: Asked, short: Sequence[str], long: Sequence[str], device: str
) -> tuple[int, dict[str, dict[int, Figures]]]:
    """Return the best batch size, and what each size came to for short clips and long files."""
    found: dict[str, dict[int, Figures]] = {}
    for kind, files in (("short", [*short] * 8), ("long", [*long])):
        found[kind] = {}
        for size in BATCH_SIZES:
            _say(f"the limit: {kind}, batches of {size}")
            found[kind][size] = Figures(**limit.ask({"files": files, "batch_size": size}))
    best = min(BATCH_SIZES, key=lambda size: sum(_cost(of[size], device) for of in found.values()))
    return best, found


def _cost(figures: Figures, device: str) -> float:
    return (figures.cpu if device == "cpu" else figures.wall) / figures.audio_seconds


def _limits_table(limits: dict[str, dict[int, Figures]]) -> str:
    rows = [
        [f"{kind}, batches of {size}", f"{one.audio_seconds / one.wall:.1f}", f"{one.cpu / one.audio_seconds:.4f}"]
        for kind, sizes in limits.items()
        for size, one in sizes.items()
    ]
    return table(("the limit", "audio s / s", "CPU s / audio s"), rows)


def _scenarios(short: list[str], long: list[str], many: int, arguments: argparse.Namespace) -> Iterator[Scenario]:
    requests = arguments.requests
    few = max(_BLOCKS, requests // 12)  # A long file is as much audio as many clips.
    clips, files = Work("", short, requests=requests), Work("", [], long, requests=few)
    yield Scenario("Short clips, 1 caller", clips, "short")
    yield Scenario(f"Short clips, {many} callers", replace(clips, callers=many), "short")
    yield Scenario("Long files, 1 caller", files, "long")
    yield Scenario(f"Long files, {many} callers", replace(files, callers=many, requests=max(few, 2 * many)), "long")
    beside = replace(clips, long=long, callers=1)
    yield Scenario("Short clips of 1 caller beside long files (latencies of the short)", beside, "long")
    prompts = replace(clips, callers=many, prompts=PROMPT_LENGTHS)
    yield Scenario(f"Short clips, {many} callers, {PROMPT_LENGTHS} lengths of prompt", prompts, "short")


def _race(contenders: Sequence[Contender], callers: Asked, scenario: Scenario) -> dict[str, Figures]:
    blocks: dict[str, list[Figures]] = {one.name: [] for one in contenders}
    for one in contenders:
        reset_peak_memory(one.pid)
    each = max(scenario.work.callers, scenario.work.requests // _BLOCKS)
    for number in range(max(1, scenario.work.requests // each)):
        order = [*contenders]
        random.Random(number).shuffle(order)
        for one in order:
            work = replace(scenario.work, server=one.address, requests=each, seed=number, temperature=one.temperature)
            blocks[one.name].append(_figures(one, callers, work))
    return {name: _total(of) for name, of in blocks.items()}


def _figures(one: Contender, callers: Asked, work: Work) -> Figures:
    before = cpu_seconds(one.pid)
    came = callers.ask(asdict(work))
    spent = cpu_seconds(one.pid) - before
    return Figures(came["audio_seconds"], came["wall"], spent, came["seconds"], peak_memory_bytes(one.pid))


def _total(blocks: Sequence[Figures]) -> Figures:
    return Figures(
        sum(block.audio_seconds for block in blocks),
        sum(block.wall for block in blocks),
        sum(block.cpu for block in blocks),
        [latency for block in blocks for latency in block.latencies],
        max(block.peak_bytes for block in blocks),
    )


def _row(one: Contender, figures: Figures, limit: Figures, device: str) -> list[str]:
    return [
        one.name,
        f"{figures.audio_seconds / figures.wall:.1f}",
        f"{figures.cpu / figures.audio_seconds:.4f}",
        f"{1000 * statistics.median(figures.latencies):.1f}",
        f"{1000 * percentile(figures.latencies, 95):.1f}",
        f"{figures.peak_bytes / MIB:.0f}",
        f"{_cost(limit, device) / _cost(figures, device):.2f}",
    ]


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value below which `percent` of `values` lie; the only one of one."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _added_latency(ours: Contender, callers: Asked, limit: Asked, short: list[str]) -> str:
    """Return a table of paired medians: the same clips in the same order, by us and by a direct call in turn."""
    served, direct = [], []
    for number in range(2 * _BLOCKS):
        work = Work(ours.address, short, requests=10, seed=number, temperature=ours.temperature)
        order = random.Random(number)
        files = [order.choice(short) for _ in range(10)]
        served += callers.ask(asdict(work))["seconds"]
        direct += limit.ask({"files": files, "direct": True})["latencies"]
    differences = [1000 * (ours_ - theirs) for ours_, theirs in zip(served, direct, strict=True)]
    row = [f"{1000 * statistics.median(which):.1f}" for which in (served, direct)]
    row.append(f"{statistics.median(differences):.1f}")
    return table(("clips", "served, p50 ms", "direct, p50 ms", "median of differences, ms"), [[f"{len(served)}", *row]])


def _streams(ours: Contender, callers: Asked, short: list[str], arguments: argparse.Namespace) -> str:
    rows = []
    for streams in arguments.streams:
        _say(f"{streams} streams")
        work = Work(ours.address, short, callers=streams, requests=12 * streams, streaming=True)
        reset_peak_memory(ours.pid)
        figures = _figures(ours, callers, work)
        rows.append(
            [
                f"{streams}",
                f"{len(figures.latencies)}",
                f"{1000 * statistics.median(figures.latencies):.0f}",
                f"{1000 * percentile(figures.latencies, 95):.0f}",
                f"{figures.cpu / figures.audio_seconds:.3f}",
                f"{figures.peak_bytes / MIB:.0f}",
            ]
        )
    headers = ("streams", "utterances", "lag p50 ms", "lag p95 ms", "CPU s / audio s", "peak MiB")
    return table(headers, rows)


def _gpu(device: str) -> str:
    if device == "cpu":
        return ""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    name: Any = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    return "; " + re.sub(r"\s+", " ", name).strip()


if __name__ == "__main__":
    main()
