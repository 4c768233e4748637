"""A thousand WhisperModels and one operator: how soon all are ready, what that costs, and what quiet costs.

The API server, etcd and the controllers are real; nodes and pods are played (`benchmarks.operator_nodes`), where a pull
takes a second and a half and a server is ready in one. The operator is a process of its own, as in its pod, with the
rights of the chart. Its processor seconds count, and not the time on the wall, since all that is measured and all that
plays the cluster share the machine's cores. They too depend on what a machine's other guests do to its memory and
caches, by a factor of three where this was written: how long the operator's imports take, before and after, tells how
it was.

Told in this order: (1) all models are made at once; (2) some more, one after the other; (3) nothing happens; (4) the
operator is started anew. From event to Job is from the API server's answer to whoever made the WhisperModel to the
Job's event in another watch. Calls are those that the operator counts itself; kopf's lists and watches are beside them.

  python -m benchmarks.operator
  python -m benchmarks.operator --models 50 --more 10 --quiet 10
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.measure import MIB, machine, run, table
from benchmarks.operator_api import API, Event
from benchmarks.operator_nodes import NODES, played_nodes
from benchmarks.processes import cpu_seconds, peak_memory_bytes, reset_peak_memory
from tests.cluster.control_plane import ControlPlane, Settings
from tests.cluster.processes import wait_until
from tests.integration.operator_process import OperatorProcess
from tests.support.chart import NAMESPACE, of_kind, render
from tests.support.whispermodels import install_crd
from whisper_operator.api import names
from whisper_operator.kube.kinds import JOB, MODEL

NAMESPACES = 20
_MAKERS = 4
_PATIENCE_SECONDS = 1_200
#: Of nothing to do: what the operator computes by itself in so many seconds is less than this.
_IDLE_SECONDS, _IDLE_CPU = 3.0, 0.15
_PAUSE_SECONDS = 0.25
_READS, _WRITES = ("GET",), ("POST", "PATCH", "PUT", "DELETE")
_HEADERS = ("", "wall s", "CPU s", "peak RSS MiB", "reads", "writes", "event → Job p50 ms", "p95 ms")
_GOAL_HEADERS, _GOAL_MODELS = ("goal", "wanted", "found", "met"), 1_000
_RIGHTS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
# Controllers may do as much as they can: by default each makes 20 calls a second, and that would be what is measured.
#: Room for two Services a model.
_SERVICES = "10.0.0.0/16"
_FAST = ("--kube-api-qps=2000", "--kube-api-burst=4000", "--concurrent-job-syncs=10")


@dataclass
class Seen:
    """When what was first seen, on this process's clock, by namespace and name of the model."""

    made: dict[tuple[str, str], float] = field(default_factory=dict)
    pulled: dict[tuple[str, str], float] = field(default_factory=dict)
    ready: dict[tuple[str, str], float] = field(default_factory=dict)

    def job(self, event: Event) -> None:
        """Take note of a Job."""
        metadata = event.object["metadata"]
        self.pulled.setdefault((metadata["namespace"], metadata["labels"][names.LABEL_MODEL]), time.monotonic())

    def model(self, event: Event) -> None:
        """Take note of a WhisperModel that is ready."""
        metadata, status = event.object["metadata"], event.object.get("status", {})
        if any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", [])):
            self.ready.setdefault((metadata["namespace"], metadata["name"]), time.monotonic())

    def delays(self, prefix: str) -> list[float]:
        """Return from event to Job, in milliseconds, of the models whose name begins so."""
        mine = [key for key in self.made if key[1].startswith(prefix)]
        return [1_000 * (self.pulled[key] - self.made[key]) for key in mine]


@dataclass(frozen=True)
class Reading:
    """What a process has used so far."""

    at: float
    cpu: float
    calls: Mapping[str, float]

    @classmethod
    def of(cls, operator: OperatorProcess) -> "Reading":
        """Read the counters now."""
        at, cpu = time.monotonic(), cpu_seconds(operator.pid)
        families = {family.name: family for family in text_string_to_metric_families(operator.ask("/metrics"))}
        calls: dict[str, float] = {}
        for sample in families["whisper_operator_api_requests"].samples:
            method = sample.labels["method"]
            calls[method] = calls.get(method, 0) + sample.value
        return cls(at, cpu, calls)


@dataclass(frozen=True)
class Row:
    """What became of one part of the benchmark; delays in milliseconds."""

    what: str
    wall: float
    cpu: float
    peak_bytes: int
    reads: int
    writes: int
    delays: Sequence[float]

    def delay_at(self, percent: int) -> float:
        return statistics.quantiles(self.delays, n=100, method="inclusive")[percent - 1]

    def cells(self) -> Sequence[str]:
        delays = [f"{self.delay_at(percent):.0f}" if self.delays else "" for percent in (50, 95)]
        peak = f"{self.peak_bytes / MIB:.0f}"
        return (self.what, f"{self.wall:.1f}", f"{self.cpu:.1f}", peak, str(self.reads), str(self.writes), *delays)


def main() -> None:
    """Run the benchmark."""
    arguments = _parse()
    settings = Settings(controller_manager_flags=_FAST, service_range=_SERVICES)
    with tempfile.TemporaryDirectory(prefix="whisper-operator-") as name, ControlPlane.start(settings) as control_plane:
        folder, api, seen, before = Path(name), API(control_plane.kubeconfig), Seen(), _import_seconds()
        operator = OperatorProcess(_prepare(control_plane, api), folder / "operator.log", by_script=True)
        try:
            with played_nodes(control_plane, api, folder), _watched(api, seen):
                rows = list(_measure(operator, api, seen, arguments))
        finally:
            operator.stop()
        if operator.defects():
            raise SystemExit(f"the operator met a defect of its own:\n{operator.defects()[0]}")
    print(f"{machine()}; {arguments.models} WhisperModels in {NAMESPACES} namespaces on {NODES} nodes")
    print(f"The operator's imports took {before:.2f} s of the processor before, and {_import_seconds():.2f} s after.\n")
    print(table(_HEADERS, [row.cells() for row in rows]))
    print(f"\n{table(_GOAL_HEADERS, list(_goals(*rows, models=arguments.models)))}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.operator", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=1_000, metavar="N", help="made at once (%(default)s)")
    parser.add_argument(
        "--more", type=_two_or_more, default=50, metavar="N", help="made one after the other (%(default)s)"
    )
    parser.add_argument("--quiet", type=float, default=60, metavar="SECONDS", help="of nothing to do (%(default)s)")
    return parser.parse_args()


def _two_or_more(text: str) -> int:
    if int(text) < 2:
        raise argparse.ArgumentTypeError("a median wants two at least")
    return int(text)


def _import_seconds() -> float:
    """How many of the processor's seconds a Python takes now to start and import the operator; the third of three."""
    command = [sys.executable, "-c", "import whisper_operator.starting"]
    return [run(command) for _ in range(3)][-1].cpu


def _goals(converging: Row, singly: Row, quiet: Row, start: Row, *, models: int) -> Iterator[Sequence[str]]:
    peak = max(row.peak_bytes for row in (converging, singly, quiet, start)) / 1e6
    if models == _GOAL_MODELS:
        yield _goal(
            "1,000 models converge, operator's CPU", "< 60 s", f"{converging.cpu:.1f} s", met=converging.cpu < 60
        )
        yield _goal("peak RSS", "< 300 MB", f"{peak:.0f} MB", met=peak < 300)
    yield _goal("writes while nothing happens", "0", str(quiet.writes), met=quiet.writes == 0)
    delay = singly.delay_at(50)
    yield _goal("event → Job, p50", "<= 200 ms", f"{delay:.0f} ms", met=delay <= 200)


def _goal(goal: str, wanted: str, found: str, *, met: bool) -> Sequence[str]:
    return goal, wanted, found, "yes" if met else "no"


def _say(text: str) -> None:
    print(f"operator: {text}", file=sys.stderr, flush=True)


def _prepare(control_plane: ControlPlane, api: API) -> Path:
    """Install the resource, the rights and the namespaces, and return the operator's kubeconfig."""
    install_crd(control_plane.kubectl)
    for namespace in (NAMESPACE, *map(_namespace, range(NAMESPACES))):
        api.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
    objects = [one for kind in _RIGHTS for one in of_kind(render(), kind)]
    control_plane.kubectl.apply(*objects)
    (account,) = of_kind(objects, "ServiceAccount")
    return control_plane.kubeconfig_for(NAMESPACE, account["metadata"]["name"])


@contextmanager
def _watched(api: API, seen: Seen) -> Iterator[None]:
    ours = f"?labelSelector={names.LABEL_MANAGED_BY}%3D{names.MANAGER}"
    with api.watching(JOB.path("") + ours, seen.job), api.watching(MODEL.path(""), seen.model):
        yield


def _measure(operator: OperatorProcess, api: API, seen: Seen, arguments: argparse.Namespace) -> Iterator[Row]:
    operator.start()
    before = Reading.of(operator)
    _say(f"making {arguments.models} WhisperModels")
    with ThreadPoolExecutor(_MAKERS) as makers:
        list(makers.map(lambda number: _make(api, seen, f"m-{number}", number), range(arguments.models)))
    _await_ready(seen, arguments.models)
    converged = time.monotonic()
    _await_idle(operator)
    yield _row(f"{arguments.models} made at once, until all are ready", operator, before, seen.delays("m-"), converged)

    before = Reading.of(operator)
    _say(f"making {arguments.more} more")
    for number in range(arguments.more):
        _make(api, seen, f"n-{number}", number)
        time.sleep(_PAUSE_SECONDS)
    _await_ready(seen, arguments.models + arguments.more)
    yield _row(f"{arguments.more} more, one after the other", operator, before, seen.delays("n-"))

    _await_idle(operator)
    _say(f"nothing happens for {arguments.quiet:.0f} s")
    before = Reading.of(operator)
    time.sleep(arguments.quiet)
    yield _row(f"nothing happens for {arguments.quiet:.0f} s", operator, before)

    operator.stop()
    _say("starting the operator anew")
    began = time.monotonic()
    operator.start()
    _await_idle(operator)
    before = Reading(began, 0.0, {})
    yield _row("start, until nothing is left to do", operator, before, until=time.monotonic() - _IDLE_SECONDS)


def _namespace(number: int) -> str:
    return f"team-{number % NAMESPACES}"


def _make(api: API, seen: Seen, name: str, number: int) -> None:
    key = (_namespace(number), name)
    body = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name},
        "spec": {"source": {"s3": {"bucket": "models", "key": f"{name}.tar.zst"}}},
    }
    api.post(MODEL.path(key[0]), body)
    seen.made[key] = time.monotonic()


def _await_ready(seen: Seen, count: int) -> None:
    told = time.monotonic()

    def all_ready() -> bool:
        nonlocal told
        if time.monotonic() > told + 10:
            told = time.monotonic()
            _say(f"{len(seen.pulled)} of {count} pulled, {len(seen.ready)} ready")
        return len(seen.ready) == count

    wait_until("all are ready", all_ready, seconds=_PATIENCE_SECONDS)


def _await_idle(operator: OperatorProcess) -> None:
    def idle() -> bool:
        before = cpu_seconds(operator.pid)
        time.sleep(_IDLE_SECONDS)
        return cpu_seconds(operator.pid) - before < _IDLE_CPU

    wait_until("the operator has nothing to do", idle, seconds=_PATIENCE_SECONDS)


def _row(
    what: str, operator: OperatorProcess, before: Reading, delays: Sequence[float] = (), until: float | None = None
) -> Row:
    after = Reading.of(operator)
    calls = {method: after.calls[method] - before.calls.get(method, 0) for method in after.calls}
    reads, writes = (int(sum(calls.get(one, 0) for one in methods)) for methods in (_READS, _WRITES))
    wall, cpu = (until or after.at) - before.at, after.cpu - before.cpu
    row = Row(what, wall, cpu, peak_memory_bytes(operator.pid), reads, writes, delays)
    reset_peak_memory(operator.pid)
    _say(f"{what}: {wall:.1f} s, CPU {cpu:.1f} s, {row.peak_bytes / MIB:.0f} MiB, calls {calls}")
    return row


if __name__ == "__main__":
    main()
