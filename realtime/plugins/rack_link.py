"""The engine's end of one rack process: start it, hand it blocks, see what became of it, end it.

    exchange(x) ─▶ in[POSTED] ── bell ──▶ …         at most SLOTS blocks are on their way
                ◀─ out of the same block ◀── bell    within `wait_s`, else None

`exchange` is the audio thread's: it waits for a bounded time, and not at all for a process that is more than a block
behind or gone. Everything else is the control thread's. A link is never reused: after a death there is a new one, with
new memory and new bells, and no old ring or number can be taken for a new one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from time import perf_counter
from typing import Any, Final

from realtime.plugins.bell import Bell
from realtime.plugins.rack_memory import DONE, NOBODY, POSTED, RUNNING, SLOTS, FloatArray, RackMemory
from realtime.plugins.rack_process import Ready, Refused, Work, run
from realtime.scheduling import make_ordinary

# A plugin does not send these; a user, the system when memory runs out, or a test does.
_FROM_OUTSIDE: Final = frozenset({"SIGKILL", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT"})
_JOIN_S = 1.0
_STARTING: Final = threading.Lock()  # what `_start` changes for a moment belongs to the whole process


class Link:
    """One rack process, from its start to its end."""

    def __init__(self, work: Work) -> None:
        """Start the process; it loads its plugins while this goes on."""
        context = multiprocessing.get_context("spawn")
        self.work = work
        self.memory = RackMemory(work.channels, work.longest)
        self.answer: Ready | Refused | None = None
        self._counters = self.memory.counters
        self._posted = 0
        self._killed = False
        self._since = time.monotonic()
        self._progress = -1
        theirs_requests, requests = context.Pipe(duplex=False)
        answers, theirs_answers = context.Pipe(duplex=False)
        self._said, theirs_said = context.Pipe(duplex=False)
        self._process = context.Process(
            target=run,
            args=(work, self.memory.memory, theirs_requests, theirs_answers, theirs_said),
            name="retimbre-rack",
            daemon=True,
        )
        _start(self._process)
        # Only the process holds its ends now, so that its death closes them.
        for end in (theirs_requests, theirs_answers, theirs_said):
            end.close()
        self._requests, self._answers = Bell(requests), Bell(answers)

    @property
    def process_id(self) -> int | None:
        """The process id."""
        return self._process.pid

    @property
    def held(self) -> bool:
        """Whether the process still holds its end, as far as the last exchange saw."""
        return self._requests.held and self._answers.held

    @property
    def running(self) -> int | None:
        """Place whose plugin runs now, or ran when the process died."""
        place = int(self._counters[RUNNING])
        return None if place == NOBODY else place

    def exchange(self, sound: FloatArray, wait_s: float) -> FloatArray | None:
        """Hand over a block (in, frames), take it processed: a view (out, frames), or None. Audio thread."""
        counters, posted = self._counters, self._posted
        behind = posted - int(counters[DONE])
        if behind >= SLOTS or not self.held:
            return None
        frames, slot = sound.shape[1], posted % SLOTS
        self.memory.inputs[slot][:, :frames] = sound
        self.memory.frames[slot] = frames
        self._posted = posted + 1
        counters[POSTED] = posted + 1
        self._requests.ring()
        deadline = perf_counter() + (wait_s if behind <= 1 else 0.0)
        while int(counters[DONE]) <= posted:
            left = deadline - perf_counter()
            if left <= 0.0 or not (self._answers.wait(left) or self.held):
                return None
        made: FloatArray = self.memory.outputs[slot][:, :frames]
        return made

    def poll(self, timeout_s: float = 0.0) -> Ready | Refused | None:
        """What the process said after loading, once it did."""
        if self.answer is None:
            try:
                if self._said.poll(timeout_s):
                    self.answer = self._said.recv()
            except (EOFError, OSError):
                return None
        return self.answer

    def ended(self) -> bool:
        """Whether the process is over."""
        if not self.held:
            self._process.join(_JOIN_S)  # its ends close a moment before the system says how it died
        return not self._process.is_alive()

    def stuck_for(self) -> float:
        """Seconds for which blocks have been waiting and none was done; while it loads, for one plugin."""
        now, loading = time.monotonic(), self.answer is None
        progress = int(self._counters[RUNNING if loading else DONE])
        if progress != self._progress or (not loading and progress >= self._posted):
            self._progress, self._since = progress, now
        return now - self._since

    def how_it_ended(self) -> tuple[str, bool]:
        """In words, and whether something outside the plugins did it."""
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"exit code {code}", False
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        if name == "SIGXCPU":
            return "it computed without end", False
        return name, name in _FROM_OUTSIDE and not self._killed

    def kill(self) -> None:
        """End it at once."""
        self._killed = True
        self._process.kill()
        self._process.join(_JOIN_S)

    def close(self) -> None:
        """Let the process end by itself, and end it when it does not. The audio thread must be done with this."""
        self._requests.close()
        self._process.join(_JOIN_S)
        if self._process.is_alive():
            self.kill()
        self._answers.close()
        self._said.close()


def _start(process: Any) -> None:
    """Start it as an ordinary process, from the engine too, which is real-time and a daemon."""
    with _STARTING:
        _start_alone(process)


def _start_alone(process: Any) -> None:
    me = multiprocessing.current_process()
    was_daemon = me.daemon
    scheduled: tuple[int, Any] | None = None
    if sys.platform == "linux" and os.sched_getscheduler(0) != os.SCHED_OTHER:
        # A process inherits the class of the thread that starts it, and loading is no work that sleeps.
        scheduled = os.sched_getscheduler(0), os.sched_getparam(0)
        make_ordinary()
    if was_daemon:
        # A daemon may have no children, lest they outlive it; these end with it by themselves.
        me.daemon = False
    try:
        process.start()
    finally:
        if was_daemon:
            me.daemon = True
        if scheduled is not None:
            os.sched_setscheduler(0, *scheduled)
