"""Skeleton."""

from __future__ import annotations
from PyQt6.QtWidgets import QPushButton, QWidget


class PowerButton(QPushButton):
    """Large; four states: off, opening, on, waiting."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Off", parent)
        self.setCheckable(True)

    def set_state(self, power: str) -> None:
        self.setText(power.title())
