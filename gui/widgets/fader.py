"""Skeleton."""

from __future__ import annotations
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QWidget


class Fader(QWidget):
    """A value between two ends, shown and typed as a number."""

    value_changed = pyqtSignal(float)

    def __init__(
        self,
        label: str,
        low: float,
        high: float,
        default: float,
        unit: str = "",
        *,
        step: float | None = None,
        orientation: Qt.Orientation = Qt.Orientation.Horizontal,
        colour_role: str = "accent",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._value, self.low, self.high, self.default = default, low, high, default
        self.setAccessibleName(label)

    def value(self) -> float:
        return self._value

    def set_value(self, value: float, *, quiet: bool = False) -> None:
        self._value = min(max(value, self.low), self.high)
        if not quiet:
            self.value_changed.emit(self._value)
