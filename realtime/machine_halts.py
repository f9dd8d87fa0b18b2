"""When the machine itself stood still, and which missed periods stand just after such a moment.

    on every core: a process that only sleeps and goes before all others ── late ──▶ a halt (its end, its length)

A virtual machine with all its processors busy may be halted by its host for a millisecond and more, ten times a second
where its time is rationed, and then no program is on time. What share of misses stands beside a halt says something
only where few moments do: `share` is what chance alone would give. Used by `retimbre bench live` and
scripts/measure_app.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from collections.abc import Sequence
from typing import Any, Self

from realtime.family import end_with_parent
from realtime.scheduling import lock_memory, make_real_time

LOOK_EVERY_S = 0.01
_WATCH_PRIORITY = 60  # before JACK's server and clients, which stand at 5 to 20
_HALTS_KEPT = 4096  # of each core
_NOTICED_S = 0.02  # a missed period is counted a few periods later


class HaltWatch:
    """A watcher on each core; a context that ends them."""

    def __init__(self, period_s: float) -> None:
        """period_s: of the sound; a waking that is late by a quarter of it is a halt."""
        context = multiprocessing.get_context("spawn")
        self._clocks = {core: context.RawArray("d", 2 + 2 * _HALTS_KEPT) for core in _cores()}
        self._processes = [
            context.Process(target=_watch_core, args=(core, period_s, seen), daemon=True)
            for core, seen in self._clocks.items()
        ]

    def __enter__(self) -> Self:
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def halts(self, since_s: float) -> list[tuple[float, float]]:
        """When halts ended (s of `time.monotonic`, from `since_s` on) and how long they were, of all cores."""
        return [halt for seen in self._clocks.values() for halt in halts_of(seen, since_s)]


def halts_of(seen: Sequence[float], since_s: float) -> list[tuple[float, float]]:
    """When halts of one core ended and how long they were, those that its ring still holds."""
    places = [(seen[k], seen[k + 1]) for k in range(2, len(seen) - 1, 2)]
    return sorted(place for place in places if place[0] >= since_s)


def beside(missed: Sequence[tuple[float, float, int]], halts: Sequence[tuple[float, float]]) -> int:
    """How many of the missed periods (seen between two moments, how many) stand just after a halt."""
    return sum(
        number
        for before, now, number in missed
        if any(before - _NOTICED_S - took <= ended <= now for ended, took in halts)
    )


def share(
    halts: Sequence[tuple[float, float]], began_s: float, seconds: float, *, look_s: float = LOOK_EVERY_S,
    draws: int = 1000,
) -> float:  # fmt: skip
    """The share of moments that `beside` would count, where misses are looked for every `look_s`."""
    moments = (began_s + seconds * (k + 0.5) / draws for k in range(draws))
    return sum(beside([(moment - look_s, moment, 1)], halts) for moment in moments) / draws


def _watch_core(core: int, period_s: float, seen: Any) -> None:
    """Note when this core stood still, before all other work of sound on it (a process of its own).

    It sleeps a quarter of a period at a time; a waking late by as much is a halt. seen: how many (0), the longest in s
    (1), then a ring of (when it ended, how long) in s of `time.monotonic`.
    """
    end_with_parent()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    gc.disable()
    lock_memory()
    make_real_time(0, _WATCH_PRIORITY)
    places = (len(seen) - 2) // 2
    nap = period_s / 4
    due = time.monotonic()
    while True:
        due += nap
        time.sleep(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        if now - due > nap:
            place = 2 + 2 * (int(seen[0]) % places)
            seen[place], seen[place + 1] = now, now - due
            seen[1] = max(seen[1], now - due)
            seen[0] += 1
            due = now


def _cores() -> list[int]:
    """Cores this process may run on; one that is called 0 where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
