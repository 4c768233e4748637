"""One model shared by many callers: ours beside faster-whisper behind a lock, and the limit.

Contenders are servers in processes of their own, the callers are in one more (`benchmarks.serve_load`), all on this
machine and over loopback. Each scenario's requests are interleaved between the contenders in blocks. Peers: (a)
faster-whisper one request at a time behind a lock, as most people serve it; (b) its batched pipeline behind the same
lock (`benchmarks.serve_peers`). The limit is `benchmarks.serve_limit`: the same windows through the same decoding,
voice activity and feature code, in static batches of the best size, with nobody to wait for. All use the same model,
beam 5, English given, temperature 0 without fallback.

CPU seconds are the server's own; of the callers nothing is counted. On a CPU the goal is told by them, since callers
and server share its cores; on a GPU by audio seconds a second.

Every scenario is run to its end by us; peers, which are slower, are sent no more once they have had their seconds, so
that the whole stays below half an hour. The tables are written to a file as they are found.

  python -m benchmarks.serve
  python -m benchmarks.serve --device cuda --shape turbo --compute-type float16
  python -m benchmarks.serve --device cuda --compute-type float16 --requests 100 --peer-seconds 5
  python -m benchmarks.serve --requests 20 --peer-seconds 5 --output /tmp/trial.md
"""

import argparse
import math
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import serve_figures as figures
from benchmarks.measure import machine
from benchmarks.processes import cpu_seconds, module, peak_memory_bytes, reset_peak_memory
from benchmarks.report import RESULTS, Report
from benchmarks.serve_audio import make_long_files, short_files
from benchmarks.serve_contenders import Contender, Running, publish, running_contenders
from benchmarks.serve_figures import Figures, Goal
from benchmarks.serve_load import Work

BATCH_SIZES = (1, 2, 4, 8, 16, 32)
PROMPT_LENGTHS = 16
#: On a GPU up to the first number whose finals are late.
STREAMS = {"cpu": (1, 4), "cuda": (1, 8, 16, 32, 64, 128, 256)}
#: Random weights end no text by themselves; a short clip has a shorter one than this, a full window a longer one.
TEXT_TOKENS = {"small": 0, "turbo": 32}
#: For what shares a batch.
ALIKE_SIZES = (2, 8, 32)
#: In which the requests of a scenario are interleaved.
BLOCKS = 10
#: A long file is as much audio as so many clips.
CLIPS_IN_A_LONG_FILE = 20
_LIMIT_ROUNDS = 2
_PAIRS_IN_A_BLOCK = 10

ALONE, BESIDE = "Short clips, 1 caller", "Short clips of 1 caller beside long files (latencies of the short)"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What callers do.

    Attributes:
        name: as the table has it.
        work: without a server.
        limit: which of the limit's figures it is held against.
        with_goal: whether it is to come near the limit.
    """

    name: str
    work: Work
    limit: str
    with_goal: bool = False


def main() -> None:
    """Run the benchmark."""
    arguments = _parse()
    kind = arguments.device if arguments.shape == "small" else f"{arguments.device}-{arguments.shape}"
    report = Report(arguments.output or RESULTS / f"serve-{kind}.md")
    with tempfile.TemporaryDirectory(prefix="whisper-serve-") as name, ExitStack() as stack:
        folder = Path(name)
        _Benchmark(arguments, report, folder, stack).run()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where the models run (%(default)s)")
    parser.add_argument("--shape", choices=("small", "turbo"), default="small", help="the model (%(default)s)")
    parser.add_argument("--compute-type", default="float32", metavar="TYPE", help="of CTranslate2 (%(default)s)")
    parser.add_argument("--requests", type=int, default=500, metavar="N", help="of us in a scenario (%(default)s)")
    parser.add_argument("--peer-seconds", type=float, default=60.0, metavar="S", help="each a scenario (%(default)s)")
    parser.add_argument("--streams", type=int, nargs="+", metavar="N", help="1 4, on a GPU more")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of each model; 0: every core")
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help="of a window; 0: no limit; of turbo's shape 32")
    parser.add_argument("--output", type=Path, metavar="FILE", help="benchmarks/results/serve-DEVICE[-SHAPE].md")
    return parser.parse_args()


def _say(text: str) -> None:
    print(f"serve: {text}", file=sys.stderr, flush=True)


class _Benchmark:
    """One run, part by part."""

    def __init__(self, arguments: argparse.Namespace, report: Report, folder: Path, stack: ExitStack) -> None:
        self._arguments = arguments
        self._report = report
        self._device: str = arguments.device
        self._max_new_tokens: int = (
            TEXT_TOKENS[arguments.shape] if arguments.max_new_tokens is None else arguments.max_new_tokens
        )
        how = Running(arguments.device, arguments.compute_type, arguments.threads, self._max_new_tokens)
        model = publish(folder, arguments.shape, _say)
        self._short, self._long = short_files(), make_long_files(folder)
        self._limit = stack.enter_context(module("serve_limit", model, *how.arguments))
        self._contenders = stack.enter_context(running_contenders(model, how))
        self._callers = stack.enter_context(module("serve_load"))
        self._goals: list[Goal] = []

    def run(self) -> None:
        """Run all, and write each part as soon as it is there."""
        self._tell_how()
        limits = self._find_limits()
        self._run_alike()
        self._run_scenarios(*limits)
        self._run_direct()
        self._run_streams()
        self._report.add(f"## Goals\n\n{figures.goals_table(self._goals)}")

    def _tell_how(self) -> None:
        where = "a CPU" if self._device == "cpu" else "a GPU"
        arguments = self._arguments
        self._report.add(f"# One model, many callers, on {where}")
        self._report.add(f"`python -m benchmarks.serve {' '.join(sys.argv[1:])}`".replace(" `", "`"))
        self._report.add(
            f"{machine()}{_gpu(self._device)}; {arguments.shape} model, {arguments.compute_type}"
            f"{_texts(self._max_new_tokens)}"
        )
        self._report.add(
            f"Each scenario has {arguments.requests} requests of ours, a long file counted as {CLIPS_IN_A_LONG_FILE}; "
            f"a peer is sent no more once it has had {arguments.peer_seconds:.0f} s."
        )

    def _find_limits(self) -> tuple[int, dict[str, Figures]]:
        """Return the size of batches beyond which larger ones bring little, and the limit of each kind of files."""
        kinds = {"short": self._short * 4, "long": self._long}
        self._limit.ask({"files": self._short, "batch_size": 1})  # The first run of a model is slower.
        rounds: dict[str, dict[int, list[Figures]]] = {kind: {size: [] for size in BATCH_SIZES} for kind in kinds}
        for number in range(_LIMIT_ROUNDS):
            for kind, files in kinds.items():
                for size in BATCH_SIZES:
                    _say(f"the limit, round {number + 1} of {_LIMIT_ROUNDS}: {kind}, batches of {size}")
                    rounds[kind][size].append(Figures(**self._limit.ask({"files": files, "batch_size": size})))
        found = {kind: {size: figures.total(of) for size, of in sizes.items()} for kind, sizes in rounds.items()}
        best, enough = figures.best_sizes(found, self._device)
        told = f"Best for both: batches of {best}, the limit below. Larger ones than {enough} bring little."
        self._report.add(f"## The limit\n\n{figures.limits_table(found)}\n\n{told}")
        return enough, {kind: of[best] for kind, of in found.items()}

    def _run_alike(self) -> None:
        """Tell how many windows say the same whatever they share a batch with."""
        _say("windows alone and together")
        files = [*self._short, *self._long]
        found = {size: self._limit.ask({"files": files, "batch_size": size, "alike": True}) for size in ALIKE_SIZES}
        self._report.add(f"## What shares a batch\n\n{figures.alike_table(found)}")

    def _run_scenarios(self, enough: int, limits: dict[str, Figures]) -> None:
        alone_ms = 0.0
        for scenario in _scenarios(self._short, self._long, 4 * enough, self._arguments.requests):
            _say(scenario.name)
            found = self._race(scenario)
            limit = limits[scenario.limit]
            self._report.add(f"## {scenario.name}\n\n{figures.race_table(found, limit, self._device)}")
            ours = found[self._contenders[0].name]
            if scenario.with_goal:
                near = figures.of_limit(ours, limit, self._device)
                bound = figures.GOAL_OF_LIMIT
                self._goals.append(Goal(scenario.name, f">= {bound:.2f} of the limit", f"{near:.2f}", near >= bound))
            if scenario.name == ALONE:
                alone_ms = ours.percentile_ms(95)
            if scenario.name == BESIDE:
                bound, came = alone_ms + self._limit.ask({"max_batch_ms": True}), ours.percentile_ms(95)
                self._goals.append(Goal(scenario.name, f"p95 <= {bound:.0f} ms", f"{came:.0f} ms", came <= bound))

    def _race(self, scenario: Scenario) -> dict[str, Figures]:
        blocks: dict[str, list[Figures]] = {one.name: [] for one in self._contenders}
        for one in self._contenders:
            reset_peak_memory(one.pid)
        work = scenario.work
        each = math.ceil(work.requests / BLOCKS / work.callers) * work.callers
        for number in range(math.ceil(work.requests / each)):
            order = [one for one in self._contenders if one.is_ours or self._has_time(blocks[one.name])]
            random.Random(number).shuffle(order)
            for one in order:
                blocks[one.name].append(self._measure(one, replace(work, requests=each, seed=number)))
        return {name: figures.total(of) for name, of in blocks.items()}

    def _has_time(self, blocks: Sequence[Figures]) -> bool:
        seconds: float = self._arguments.peer_seconds
        return sum(block.wall for block in blocks) < seconds

    def _measure(self, one: Contender, work: Work) -> Figures:
        before = cpu_seconds(one.pid)
        came = self._callers.ask(asdict(replace(work, server=one.address, options=dict(one.options))))
        spent = cpu_seconds(one.pid) - before
        return Figures(came["audio_seconds"], came["wall"], spent, came["seconds"], peak_memory_bytes(one.pid))

    def _run_direct(self) -> None:
        """Send the same clips in the same order to us and to a direct call in turn."""
        _say("one caller beside a direct call")
        served: list[float] = []
        direct: list[float] = []
        for number in range(math.ceil(self._arguments.requests / 2 / _PAIRS_IN_A_BLOCK)):
            work = Work("", self._short, requests=_PAIRS_IN_A_BLOCK, seed=number)
            order = random.Random(number)  # as the callers choose
            files = [order.choice(self._short) for _ in range(_PAIRS_IN_A_BLOCK)]
            served += self._measure(self._contenders[0], work).latencies
            direct += self._limit.ask({"files": files, "direct": True})["latencies"]
        self._report.add(f"## One caller beside a direct call\n\n{figures.added_table(served, direct)}")
        added, bound = figures.added_ms(served, direct), figures.GOAL_ADDED_MS
        name = "One caller beside a direct call"
        self._goals.append(Goal(name, f"<= {bound:.0f} ms more", f"{added:.1f} ms", added <= bound))

    def _run_streams(self) -> None:
        ours, utterances = self._contenders[0], max(2, min(12, self._arguments.requests // 10))
        found: dict[int, Figures] = {}
        for streams in self._arguments.streams or STREAMS[self._device]:
            _say(f"{streams} streams")
            reset_peak_memory(ours.pid)
            work = Work("", self._short, callers=streams, requests=utterances * streams, streaming=True)
            found[streams] = self._measure(ours, work)
            if self._device == "cuda" and found[streams].percentile_ms(95) > figures.GOAL_LAG_MS:
                break
        self._goals += figures.stream_goals(found, self._device)
        self._report.add(f"## Streams\n\n{figures.streams_table(found)}")


def _scenarios(short: list[str], long: list[str], many: int, requests: int) -> Iterator[Scenario]:
    few = math.ceil(requests / CLIPS_IN_A_LONG_FILE)
    clips, files = Work("", short, requests=requests), Work("", [], long, requests=few)
    all_at_once = max(few, 2 * many if requests >= 2 * many else many)
    yield Scenario(ALONE, clips, "short")
    yield Scenario(f"Short clips, {many} callers", replace(clips, callers=many), "short", with_goal=True)
    yield Scenario("Long files, 1 caller", files, "long")
    yield Scenario(
        f"Long files, {many} callers", replace(files, callers=many, requests=all_at_once), "long", with_goal=True
    )
    yield Scenario(BESIDE, replace(clips, long=long), "long")
    prompts = replace(clips, callers=many, prompts=PROMPT_LENGTHS)
    yield Scenario(f"Short clips, {many} callers, {PROMPT_LENGTHS} lengths of prompt", prompts, "short")


def _texts(max_new_tokens: int) -> str:
    return f"; texts of at most {max_new_tokens} tokens" if max_new_tokens else ""


def _gpu(device: str) -> str:
    if device == "cpu":
        return ""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    name: Any = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    return "; " + re.sub(r"\s+", " ", name).strip()


if __name__ == "__main__":
    main()
