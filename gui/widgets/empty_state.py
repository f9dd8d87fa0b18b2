"""Skeleton."""

from __future__ import annotations
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QWidget


class EmptyState(QWidget):
    """Nothing is here yet: what would be, and how it comes. `acted` when the button is pressed."""

    acted = pyqtSignal()

    def __init__(self, icon: str, title: str, text: str, action: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)

    def set_words(self, title: str, text: str, action: str = "") -> None: ...
