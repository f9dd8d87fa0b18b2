"""How often one may ask: a bucket of tokens for each asker, refilled with time, empty means wait.

Fifty people behind one address must pass, one program that floods must not: the limit of an address is wide, that of a
participant what a person with a browser can need, that of beginning anew narrow. Any thread.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MOST_ASKERS = 20_000  # remembered at once: what a flood of addresses can cost in memory


@dataclass(frozen=True, slots=True)
class Limit:
    """`burst` requests at once, then `each_second`."""

    burst: float
    each_second: float


LIMITS: Mapping[str, Limit] = {
    "address": Limit(3000, 300),
    "participant": Limit(150, 8),
    "start": Limit(120, 1),
    "resume": Limit(60, 1),
}


class Buckets:
    """The tokens of every asker."""

    def __init__(self, limits: Mapping[str, Limit] = LIMITS, now: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._now = limits, now
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, kind: str, who: str) -> float:
        """Take one token: 0 when there was one, else how long until there is (and none is taken)."""
        limit, now = self._limits[kind], self._now()
        with self._lock:
            tokens, then = self._held.pop((kind, who), (limit.burst, now))
            tokens = min(limit.burst, tokens + (now - then) * limit.each_second)
            allowed = tokens >= 1
            self._held[kind, who] = (tokens - allowed, now)
            while len(self._held) > MOST_ASKERS:
                self._held.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / limit.each_second
