"""What `benchmarks.serve` finds: figures, the tables of them, and whether the goals are met."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measure import MIB, table

#: Of the limit, at least.
GOAL_OF_LIMIT = 0.90
#: One caller beside a direct call, at most.
GOAL_ADDED_MS = 5.0
#: From an utterance's last sample to its final, 95 of 100, at most.
GOAL_LAG_MS = 2000.0
#: How much dearer something may be and still be about as good.
_ABOUT = 1.10

_HEADERS = ("", "requests", "audio s / s", "CPU s / audio s", "p50 ms", "p95 ms", "peak MiB", "of the limit")
_STREAM_HEADERS = ("streams", "utterances", "lag p50 ms", "lag p95 ms", "CPU s / audio s", "peak MiB")


@dataclass(frozen=True, slots=True)
class Figures:
    """What some requests came to.

    Attributes:
        audio_seconds: that were sent.
        wall: seconds that they took.
        cpu: processor seconds that the server spent.
        latencies: seconds, one for each timed request.
        peak_bytes: most memory that the server held.
    """

    audio_seconds: float
    wall: float
    cpu: float
    latencies: list[float]
    peak_bytes: int

    def percentile_ms(self, percent: int) -> float:
        """Return the milliseconds within which `percent` of the requests were answered."""
        return 1000 * percentile(self.latencies, percent)

    def cost(self, device: str) -> float:
        """Return what a second of audio cost: processor seconds on a CPU, where all share it, else seconds."""
        return (self.cpu if device == "cpu" else self.wall) / self.audio_seconds


@dataclass(frozen=True, slots=True)
class Goal:
    """Something that is to hold.

    Attributes:
        name: what.
        wanted: the bound, in words.
        found: the figure.
        met: whether it holds.
    """

    name: str
    wanted: str
    found: str
    met: bool


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value below which `percent` of `values` lie; the only one of one."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def total(blocks: Sequence[Figures]) -> Figures:
    """Return the figures of all `blocks` together."""
    return Figures(
        sum(block.audio_seconds for block in blocks),
        sum(block.wall for block in blocks),
        sum(block.cpu for block in blocks),
        [latency for block in blocks for latency in block.latencies],
        max(block.peak_bytes for block in blocks),
    )


def best_sizes(limits: Mapping[str, Mapping[int, Figures]], device: str) -> tuple[int, int]:
    """Return the size of batches that is best for all kinds of files alike, and the smallest that is about as good."""
    cheapest = {kind: min(one.cost(device) for one in sizes.values()) for kind, sizes in limits.items()}
    sizes = next(iter(limits.values()))
    costs = {
        size: statistics.mean(of[size].cost(device) / cheapest[kind] for kind, of in limits.items()) for size in sizes
    }
    best = min(costs, key=costs.__getitem__)
    return best, min(size for size in costs if costs[size] <= _ABOUT * costs[best])


def limits_table(limits: Mapping[str, Mapping[int, Figures]]) -> str:
    """Return what each size of batches came to."""
    rows = [
        [f"{kind}, batches of {size}", f"{one.audio_seconds / one.wall:.1f}", f"{one.cpu / one.audio_seconds:.4f}"]
        for kind, sizes in limits.items()
        for size, one in sizes.items()
    ]
    return table(("the limit", "audio s / s", "CPU s / audio s"), rows)


def race_table(found: Mapping[str, Figures], limit: Figures, device: str) -> str:
    """Return the contenders' figures of one scenario, beside the limit."""
    rows = [
        [
            name,
            f"{len(one.latencies)}",
            f"{one.audio_seconds / one.wall:.1f}",
            f"{one.cpu / one.audio_seconds:.4f}",
            f"{one.percentile_ms(50):.1f}",
            f"{one.percentile_ms(95):.1f}",
            f"{one.peak_bytes / MIB:.0f}",
            f"{of_limit(one, limit, device):.2f}",
        ]
        for name, one in found.items()
    ]
    return table(_HEADERS, rows)


def of_limit(one: Figures, limit: Figures, device: str) -> float:
    """Return how near `one` comes to the limit; 1 is all of it."""
    return limit.cost(device) / one.cost(device)


def streams_table(found: Mapping[int, Figures]) -> str:
    """Return the figures of streams, by how many there were."""
    rows = [
        [
            f"{streams}",
            f"{len(one.latencies)}",
            f"{one.percentile_ms(50):.0f}",
            f"{one.percentile_ms(95):.0f}",
            f"{one.cpu / one.audio_seconds:.3f}",
            f"{one.peak_bytes / MIB:.0f}",
        ]
        for streams, one in found.items()
    ]
    return table(_STREAM_HEADERS, rows)


def stream_goals(found: Mapping[int, Figures], device: str) -> list[Goal]:
    """Return whether finals came in time: on a CPU for each number of streams, on a GPU for how many at most."""
    wanted = f"lag p95 <= {GOAL_LAG_MS:.0f} ms"
    lags = {streams: one.percentile_ms(95) for streams, one in found.items()}
    if device == "cpu":
        return [Goal(f"Finals of {n} streams", wanted, f"{lag:.0f} ms", lag <= GOAL_LAG_MS) for n, lag in lags.items()]
    most = max((streams for streams, lag in lags.items() if lag <= GOAL_LAG_MS), default=0)
    return [Goal("Most streams whose finals come in time", wanted, f"{most} streams", most > 0)]


def alike_table(found: Mapping[int, Mapping[str, int]]) -> str:
    """Return by the size of batches how many windows came out as they do alone."""
    rows = [
        [
            f"batches of {size}",
            f"{one['windows']}",
            *(f"{one[what] / one['windows']:.3f}" for what in ("texts", "times")),
        ]
        for size, one in found.items()
    ]
    return table(("", "windows", "same text", "and words within 20 ms"), rows)


def added_table(served: Sequence[float], direct: Sequence[float]) -> str:
    """Return the medians of both, and of the pairs' differences; all in seconds."""
    medians = [f"{1000 * statistics.median(which):.1f}" for which in (served, direct)]
    row = [f"{len(served)}", *medians, f"{added_ms(served, direct):.1f}"]
    return table(("clips", "served, p50 ms", "direct, p50 ms", "median of differences, ms"), [row])


def added_ms(served: Sequence[float], direct: Sequence[float]) -> float:
    """Return the median of the pairs' differences."""
    return statistics.median(1000 * (ours - theirs) for ours, theirs in zip(served, direct, strict=True))


def goals_table(goals: Sequence[Goal]) -> str:
    """Return what was wanted and what came of it."""
    rows = [[goal.name, goal.wanted, goal.found, "yes" if goal.met else "no"] for goal in goals]
    return table(("goal", "wanted", "found", "met"), rows)
