"""Watches that no event keeps the GUI thread busy: processor time of each, told when it passes the limit.

    WatchedApplication.notify(receiver, event)   [ thread time before | the event | thread time after ]

Time of the thread is counted, not of the clock, so that another program that takes the processor is not blamed on us;
and because the thread comes back to cold caches, the limit is higher by a tenth of what was taken in the middle of an
event. An event in which another event loop ran (a drag, a dialogue) counts only what it did itself. One thing is
excused: making a panel, once, when it is first shown. Used by every test, and by `retimbre gui --watch-stalls`. GUI
thread.
"""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import QEvent, QObject, QThread
from PyQt6.QtWidgets import QApplication

LIMIT_S: Final = 0.016
COLD_PART: Final = 0.1  # beside four programs that sort, a picture of the window (5 ms) took 2 to 4 ms more for 50 away
MOST_COLD_S: Final = LIMIT_S


@dataclass(frozen=True, slots=True)
class Stall:
    """An event that took too long: who got it, of what kind, seconds of the thread and of the clock."""

    receiver: str
    event: str
    thread_s: float
    clock_s: float

    def __str__(self) -> str:
        return (
            f"{self.event} of {self.receiver}: {1e3 * self.thread_s:.1f} ms of the GUI thread "
            f"({1e3 * self.clock_s:.1f} ms by the clock)"
        )


def excuse_building() -> None:
    """A panel is being made in this event: many widgets at once, which happens once per panel and cannot be split."""
    app = QApplication.instance()
    if isinstance(app, WatchedApplication):
        app.excuse()


class CollectionTime:
    """Time of the GUI thread that the garbage collector took.

    Not a method of the application: Python's list of callbacks would keep that alive until the interpreter's very end,
    where Qt can no longer be taken apart.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._begin = 0.0
        self._thread = threading.get_ident()
        gc.callbacks.append(self._watch)

    def end(self) -> None:
        """Watch no more."""
        gc.callbacks.remove(self._watch)

    def _watch(self, phase: str, _info: dict[str, int]) -> None:
        if threading.get_ident() != self._thread:
            return
        if phase == "start":
            self._begin = time.thread_time()
        else:
            self.seconds += time.thread_time() - self._begin


class WatchedApplication(QApplication):
    """An application that times each of its events."""

    def __init__(self, arguments: list[str]) -> None:
        """arguments: the command line, as for `QApplication`."""
        super().__init__(arguments)
        self.stalls: list[Stall] = []
        self.limit_s = LIMIT_S
        self.without_collection = False
        """Whether time of the garbage collector is not counted: a test's heap is not the app's."""
        self._collected = CollectionTime()
        self._thread = threading.get_ident()
        self._depth = self._level = 0
        self._excused = False
        self._inner_s = 0.0  # of events in loops within the one that is timed

    def notify(self, receiver: QObject | None, event: QEvent | None) -> bool:
        """Deliver one event, and note when it took too long."""
        if threading.get_ident() != self._thread:
            return super().notify(receiver, event)  # of a thread of Qt's own, which keeps nobody waiting
        thread = QThread.currentThread()
        level = thread.loopLevel() if thread is not None else 0
        if self._depth > 0 and level <= self._level:
            return super().notify(receiver, event)  # sent from within another event, which is timed
        outer_level, outer_inner = (self._level, self._inner_s) if self._depth else (0, 0.0)
        self._level, self._inner_s = level, 0.0
        self._depth += 1
        kind = event.type() if event is not None else None
        who = type(receiver).__name__
        collected = self._collected.seconds
        clock, begin = time.perf_counter(), time.thread_time()
        try:
            return super().notify(receiver, event)
        finally:
            took = time.thread_time() - begin
            if self.without_collection:
                took -= self._collected.seconds - collected
            own = took - self._inner_s
            self._depth -= 1
            self._level, self._inner_s = outer_level, outer_inner + took
            excused, self._excused = self._excused, False
            if own > self.limit_s and not excused:
                by_clock = time.perf_counter() - clock
                if own > self.limit_s + min(COLD_PART * (by_clock - took), MOST_COLD_S):
                    name = kind.name if isinstance(kind, QEvent.Type) else str(kind)
                    self.stalls.append(Stall(who, name, own, by_clock))

    def excuse(self) -> None:
        """Do not count the event that is being delivered."""
        self._excused = self._depth > 0

    def end_watch(self) -> None:
        """Before the end of the program."""
        self._collected.end()
