"""The one thread in which the live session lives: wishes in, what happened out, so that the GUI thread never waits.

    GUI thread ── post(work) ──▶ [queue] ──▶ session thread: work(), and 20 times a second tick()
    GUI thread ◀── tell(…), which the bridge turns into queued Qt signals

A wish may take seconds (opening a card, a server that hangs); those behind it wait, the GUI does not.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

TICK_S: Final = 0.05


class SessionThread:
    """A queue of work and a steady tick, on one thread that is started by the first work."""

    def __init__(self, tick: Callable[[], None], defect: Callable[[BaseException], None]) -> None:
        """tick: called 20 times a second between pieces of work; defect: told of an exception that either let out."""
        self._tick, self._defect = tick, defect
        self._work: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def post(self, work: Callable[[], None]) -> None:
        """Do this after everything that was posted before; returns at once."""
        with self._changed:
            if self._ending:
                return
            self._work.append(work)
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="retimbre-session", daemon=True)
                self._thread.start()

    def end(self, last: Callable[[], None]) -> None:
        """Forget what waits, do `last` and stop; returns at once."""
        with self._changed:
            if self._ending:
                return
            self._ending = True
            self._work.clear()
            if self._thread is not None:
                self._work.append(last)
                self._changed.notify()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the thread; whether it came."""
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        next_tick = time.monotonic()
        while True:
            with self._changed:
                while not self._work and not self._ending and (left := next_tick - time.monotonic()) > 0:
                    self._changed.wait(left)
                work = self._work.popleft() if self._work else None
                if work is None and self._ending:
                    return
            if work is not None:
                self._do(work)
            if time.monotonic() >= next_tick and not self._ending:
                self._do(self._tick)
                next_tick = time.monotonic() + TICK_S

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the thread outlives every defect; the bridge reports it
            self._defect(error)
