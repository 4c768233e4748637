"""The work queue: keys that are to be visited, each at most once at a time and never twice in a row for nothing.

A key that is added while it waits is one visit; added while it is being visited, it is visited once more afterwards.
After each visit a key rests a moment: what a visit brings about comes back as a dozen events, which so are one visit.
One timer a key brings it back later: for a retry, each time later than before, or because its last visit asked for it.
"""

import asyncio
import random
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from whisper_operator.backoff import doubled

K = TypeVar("K", bound=Hashable)

_FIRST_RETRY_SECONDS = 0.5
_LONGEST_RETRY_SECONDS = 60.0
#: Long enough for the events of one step, too short for people to notice. Who has not just been visited does not wait.
_REST_SECONDS = 0.5


class WorkQueue(Generic[K]):
    """A queue for one event loop; not for threads."""

    def __init__(self, clock: Callable[[], float] | None = None, rest: float = _REST_SECONDS) -> None:
        self._rest = rest
        self._clock = clock or asyncio.get_running_loop().time
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._waiting: dict[K, float] = {}
        self._visited: dict[K, float] = {}
        self._resting: dict[K, asyncio.TimerHandle] = {}
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}

    def add(self, key: K) -> None:
        """Have `key` visited as soon as a worker is free, and its rest is over."""
        if key in self._visited or key in self._resting:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = self._clock()
            self._ready.put_nowait(key)

    async def get(self) -> K:
        """Wait for a key and take it; `done` or `failed` must follow."""
        key = await self._ready.get()
        del self._waiting[key]
        self._visited[key] = self._clock()
        return key

    def done(self, key: K, look_again: float | None = None) -> None:
        """End a visit that went well; visit `key` again after that many seconds at the latest."""
        self._failures.pop(key, None)
        self._end_visit(key, look_again)

    def failed(self, key: K) -> float:
        """End a visit that failed, and return after how many seconds `key` is visited again at the latest."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = doubled(_FIRST_RETRY_SECONDS, failures - 1, _LONGEST_RETRY_SECONDS)
        delay *= random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load, keeps no secret
        self._end_visit(key, delay)
        return delay

    def oldest(self) -> float:
        """Return for how many seconds the oldest key has been waiting for a worker, or the longest visit has lasted."""
        now = self._clock()
        return max((now - since for since in (*self._waiting.values(), *self._visited.values())), default=0.0)

    @property
    def depth(self) -> int:
        """How many keys wait for a worker."""
        return len(self._waiting)

    def _end_visit(self, key: K, delay: float | None) -> None:
        del self._visited[key]
        self._set_timer(key, delay)
        self._resting[key] = asyncio.get_running_loop().call_later(self._rest, self._end_rest, key)

    def _end_rest(self, key: K) -> None:
        del self._resting[key]
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _set_timer(self, key: K, delay: float | None) -> None:
        """Replace the key's timer: the newest visit knows best."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if delay is not None:
            self._timers[key] = asyncio.get_running_loop().call_later(delay, self._ring, key)

    def _ring(self, key: K) -> None:
        del self._timers[key]
        self.add(key)
