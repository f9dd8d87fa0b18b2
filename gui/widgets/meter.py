"""Skeleton."""

from __future__ import annotations
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QWidget


class LevelMeter(QWidget):
    """Peak, RMS, hold and clip."""

    def __init__(
        self,
        label: str,
        orientation: Qt.Orientation = Qt.Orientation.Horizontal,
        colour_role: str = "input",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)

    def set_levels(self, peak: float, rms: float) -> None:
        """Linear, 1 being full scale."""

    def reset(self) -> None:
        """Silence, no hold, no clip."""
