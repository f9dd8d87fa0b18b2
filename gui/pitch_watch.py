"""Which note is played: the tuner, on a thread of its own, from the newest samples of the shared memory.

    meters.scope ── since the last look ──▶ realtime.desk.tuner.Tuner ── 12 times a second ──▶ TunerReading

The tuner's module compiles when it is first imported, which takes longer than the GUI thread may be kept; so it is
imported, made and fed here. It sleeps while nobody looks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from realtime.desk.tuner import Tuner
    from realtime.meters import Meters

LOOK_S: Final = 0.08


class PitchWatch:
    """Tells the note that sounds at the input while it is on."""

    def __init__(
        self, meters: Meters, heard: Callable[[object], None], defect: Callable[[BaseException], None]
    ) -> None:
        """heard: takes each `TunerReading`, on the watch's own thread; defect: told of an exception, which ends it."""
        self._meters, self._heard, self._defect = meters, heard, defect
        self._on = threading.Event()
        self._ended = threading.Event()
        self._telling = threading.Lock()
        self._thread: threading.Thread | None = None

    def set_on(self, on: bool) -> None:
        """Listen, or sleep; returns at once."""
        if not on:
            self._on.clear()
            return
        self._on.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="retimbre-pitch", daemon=True)
            self._thread.start()

    def end(self, timeout_s: float = 1.0) -> None:
        """Stop for good: nothing is told after this, also where the thread is still in the middle of compiling."""
        with self._telling:
            self._ended.set()
        self._on.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._listen()
        except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
            self._defect(error)

    def _listen(self) -> None:
        from realtime.desk.tuner import Tuner

        tuner: Tuner | None = None
        end = 0
        while not self._ended.is_set():
            if not self._on.is_set():
                self._on.wait()
                tuner = None
                continue
            rate_hz = self._meters.snapshot().rate_hz
            if rate_hz <= 0:
                self._ended.wait(LOOK_S)
                continue
            if tuner is None or tuner.rate_hz != rate_hz:
                tuner = Tuner(rate_hz)
                _, end = self._meters.scope.since(0)
            samples, end = self._meters.scope.since(end)
            if samples.shape[1]:
                tuner.push(samples[0].copy())
                self._tell(tuner.reading)
            self._ended.wait(LOOK_S)

    def _tell(self, reading: object) -> None:
        with self._telling:
            if not self._ended.is_set():
                self._heard(reading)
