"""Skeleton."""

from __future__ import annotations
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QWidget


class ElidedLabel(QLabel):
    """One line that ends in … where there is no room; the whole text as tool tip. `setText`, `text` as any label."""

    def __init__(
        self, text: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight, parent: QWidget | None = None
    ) -> None:
        super().__init__(text, parent)
