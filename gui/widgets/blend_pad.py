"""Skeleton."""

from __future__ import annotations
from collections.abc import Sequence
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QWidget


class BlendPad(QWidget):
    """Weights of targets."""

    weights_changed = pyqtSignal(tuple)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._weights: tuple[float, ...] = ()

    def set_targets(self, names: Sequence[str]) -> None:
        self._weights = (1.0, *([0.0] * (len(names) - 1))) if names else ()

    def weights(self) -> tuple[float, ...]:
        return self._weights

    def set_weights(self, weights: Sequence[float]) -> None:
        self._weights = tuple(weights)
