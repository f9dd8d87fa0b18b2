"""How files come into the queue: chosen or dropped, looked for in folders, measured.

    choose_files, choose_folder ─▶ chosen(paths)      look(paths) ─▶ found(Found)      measure(jobs) ─▶ measured(Job) …

GUI thread; the disks are read in the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QWidget

from gui.bridge import Bridge
from gui.convert.find_sounds import UNDERSTOOD, duration_s, find_sounds
from gui.convert.job import Job
from gui.memory import Memory

_MEASURED_AT_ONCE = 32


class Intake(QObject):
    """Brings files to the panel."""

    chosen = pyqtSignal(list)  # of Path
    found = pyqtSignal(object)  # Found
    measured = pyqtSignal(object)  # Job, whose seconds are known now
    cannot = pyqtSignal(str)

    def __init__(self, bridge: Bridge, memory: Memory, window: QWidget) -> None:
        """window: over which dialogues open."""
        super().__init__(window)
        self._bridge, self._memory, self._window = bridge, memory, window

    def look(self, paths: Sequence[Path]) -> None:
        """Find what can be converted in files and folders."""
        self._bridge.in_background(lambda: find_sounds(paths), self.found.emit, self.cannot.emit)

    def measure(self, jobs: list[Job]) -> None:
        """Find out how long they are, a few at a time, so that other work comes between."""
        if not jobs:
            return
        now, later = jobs[:_MEASURED_AT_ONCE], jobs[_MEASURED_AT_ONCE:]

        def show(lengths: list[float | None]) -> None:
            for job, length in zip(now, lengths, strict=True):
                if length is not None:
                    job.seconds = length
                    self.measured.emit(job)
            self.measure(later)

        self._bridge.in_background(lambda: [duration_s(job.source) for job in now], show)

    def choose_files(self) -> None:
        """Ask for files."""
        kinds = " ".join(f"*{suffix}" for suffix in sorted(UNDERSTOOD))
        names, _ = QFileDialog.getOpenFileNames(
            self._window, "Files to convert", str(self._start()), f"Sound and MIDI ({kinds})"
        )
        if names:
            self._memory.set("convert.from", Path(names[0]).parent)
            self.chosen.emit([Path(name) for name in names])

    def choose_folder(self) -> None:
        """Ask for a folder."""
        name = QFileDialog.getExistingDirectory(self._window, "A folder to convert", str(self._start()))
        if name:
            self._memory.set("convert.from", Path(name))
            self.chosen.emit([Path(name)])

    def _start(self) -> Path:
        return self._memory.get("convert.from", Path.home())
