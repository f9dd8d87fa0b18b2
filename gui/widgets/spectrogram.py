"""Skeleton."""

from __future__ import annotations
from typing import Any
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QWidget
from gui.widgets.live_spectrogram import LiveSpectrogram

__all__ = ["LiveSpectrogram", "SpectrogramView"]


class SpectrogramView(QWidget):
    """A whole sound over a log-frequency axis."""

    clicked = pyqtSignal(float)
    view_changed = pyqtSignal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

    def set_sound(self, samples: Any, rate_hz: float, text: str = "") -> None:
        """(n,)."""

    def clear(self) -> None: ...
    def set_cursor(self, seconds: float) -> None: ...
    def set_view(self, start_s: float, end_s: float) -> None: ...
    def view(self) -> tuple[float, float]:
        return (0.0, 0.0)
