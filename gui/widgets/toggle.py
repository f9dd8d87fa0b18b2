"""Skeleton."""

from __future__ import annotations
from PyQt6.QtWidgets import QAbstractButton, QPushButton, QWidget


class Toggle(QPushButton):
    """On or off; `toggled(bool)`, `isChecked`, `setChecked` as any Qt button."""

    def __init__(self, label: str, icon: str | None = None, parent: QWidget | None = None) -> None:
        super().__init__(label, parent)
        self.setCheckable(True)

    def set_checked(self, on: bool, *, quiet: bool = False) -> None:
        blocked = self.blockSignals(quiet)
        self.setChecked(on)
        self.blockSignals(blocked)
