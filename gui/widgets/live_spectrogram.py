"""Skeleton."""

from __future__ import annotations
from typing import Any
from PyQt6.QtWidgets import QWidget


class LiveSpectrogram(QWidget):
    """Input above output, scrolling."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

    def push(self, samples: Any, rate_hz: float) -> None:
        """(2, samples)."""

    def clear(self) -> None: ...
