"""Running one batch, in halves where it does not run whole."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from whisper_server.engine.schedule.errors import BatchTooLargeError, BrokenRunnerError

P_contra = TypeVar("P_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
P = TypeVar("P")
R = TypeVar("R")


class Runner(Protocol[P_contra, R_co]):
    """What does the work."""

    def run(self, payloads: Sequence[P_contra]) -> Sequence[R_co]:
        """Return one result for each of `payloads`, in order. It blocks, in a thread of the scheduler's.

        Raises:
            BatchTooLargeError: when there is no memory for so many; fewer are tried then.
            BrokenRunnerError: when nothing will run any more.
            Exception: when one of them cannot be done; they are tried in halves, so that only it fails.
        """


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """What became of one row: a result, or an error."""

    result: R | None = None
    error: Exception | None = None


def run_in_halves(
    runner: Runner[P, R],
    payloads: Sequence[P],
    wanted: Callable[[int], bool],
    too_large: Callable[[int], None],
) -> Iterator[tuple[int, Outcome[R]]]:
    """Run `payloads` together, or, where that fails, in halves; yield each one's place and outcome as it is there.

    Args:
        runner: does the work.
        payloads: what to do.
        wanted: whether the payload at a place is still wanted; asked again before each half.
        too_large: told the size of each batch that there was no memory for.

    Raises:
        BrokenRunnerError: when the runner is broken.
    """
    parts: list[Sequence[int]] = [range(len(payloads))]
    while parts:
        places = [place for place in parts.pop() if wanted(place)]
        if not places:
            continue
        try:
            results = runner.run([payloads[place] for place in places])
            outcomes = [Outcome(result) for result in results]
            pairs = list(zip(places, outcomes, strict=True))
        except BrokenRunnerError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's whose payload raises it alone
            if isinstance(error, BatchTooLargeError):
                too_large(len(places))
            if len(places) == 1:
                yield places[0], Outcome(error=error)
            else:
                half = len(places) // 2
                parts += [places[half:], places[:half]]
        else:
            yield from pairs
