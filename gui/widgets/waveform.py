"""Skeleton."""

from __future__ import annotations
from typing import Any
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QWidget


class WaveformView(QWidget):
    """A sound as its peaks."""

    clicked = pyqtSignal(float)
    view_changed = pyqtSignal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

    def set_sound(self, samples: Any, rate_hz: float, text: str = "") -> None:
        """(channels, n) or (n,)."""

    def set_second(self, samples: Any, rate_hz: float, text: str = "") -> None:
        """Another sound drawn below, on the same time axis; None takes it away."""

    def clear(self) -> None: ...
    def set_cursor(self, seconds: float) -> None:
        """Where the sound plays; NaN: nowhere."""

    def set_marks(self, marks: list[tuple[float, float, str]]) -> None:
        """(start_s, end_s, text) each."""

    def set_view(self, start_s: float, end_s: float) -> None: ...
    def view(self) -> tuple[float, float]:
        return (0.0, 0.0)
