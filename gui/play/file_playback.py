"""Which file is heard just now, a take or a model's preview: one at a time, followed through the meters. GUI thread.

toggle(path) ─▶ bridge.play_file ─▶ frames with file_s (seconds) ─▶ changed … ─▶ file_s is NaN again ─▶ path is None
"""

from __future__ import annotations

import math
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal

from gui.bridge import Bridge
from gui.live_state import LiveState, Notice
from realtime.meters import Snapshot


class FilePlayback(QObject):
    """The file that plays, and how far."""

    changed = pyqtSignal()
    """Another file plays, or none."""
    moved = pyqtSignal(float)
    """It has come so many seconds far."""

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._path: Path | None = None
        self._heard = False
        self.seconds = 0.0
        bridge.frame.connect(self._show_frame)
        bridge.state_changed.connect(self._follow)
        bridge.noticed.connect(self._hear_notice)

    @property
    def path(self) -> Path | None:
        """The file that plays, or is about to."""
        return self._path

    def toggle(self, path: Path) -> None:
        """Play it, or stop it if it plays."""
        if path == self._path:
            self.stop()
        else:
            self.play(path)

    def play(self, path: Path, from_s: float = 0.0) -> None:
        """Play it in place of what plays."""
        self._bridge.play_file(path, "output", from_s=from_s)
        self._path, self._heard, self.seconds = path, False, from_s
        self.changed.emit()

    def stop(self) -> None:
        """Play nothing."""
        if self._path is not None:
            self._bridge.stop_file()
            self._end()

    def _show_frame(self, now: Snapshot) -> None:
        if self._path is None:
            return
        if math.isnan(now.file_s):
            if self._heard:
                self._end()
            return
        self._heard = True
        if abs(now.file_s - self.seconds) >= 0.03:
            self.seconds = now.file_s
            self.moved.emit(self.seconds)

    def _follow(self, state: LiveState) -> None:
        if self._heard and state.power == "off":
            self._end()

    def _hear_notice(self, notice: Notice) -> None:
        if self._path is not None and not self._heard and notice.severity != "info":
            self._end()

    def _end(self) -> None:
        self._path, self._heard, self.seconds = None, False, 0.0
        self.changed.emit()
