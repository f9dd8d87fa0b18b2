"""One file at a time is listened to: the button that began it ends it, and it ends by itself. GUI thread."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject, pyqtSignal

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from realtime.meters import Snapshot


class Listening(QObject):
    """`changed` with the file that plays, or None; `moved` with its position in seconds."""

    changed = pyqtSignal(object)
    moved = pyqtSignal(float)

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.path: Path | None = None
        self._heard = False
        bridge.frame.connect(self._follow)

    def toggle(self, path: Path) -> None:
        """Play this file, or end it when it plays."""
        if self.path == path:
            self.stop()
            return
        self.path, self._heard = path, False
        self._bridge.play_file(path)
        self.changed.emit(path)

    def stop(self) -> None:
        """End what plays."""
        if self.path is not None:
            self._bridge.stop_file()
            self._end()

    def _follow(self, snapshot: Snapshot) -> None:
        if self.path is None:
            return
        position = snapshot.file_s
        if not math.isnan(position):
            self._heard = True
            self.moved.emit(position)
        elif self._heard:
            self._end()

    def _end(self) -> None:
        self.path = None
        self.moved.emit(math.nan)
        self.changed.emit(None)
