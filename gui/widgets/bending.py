"""Rows that become columns where there is little room: a small window, or words twice as large. GUI thread."""

from __future__ import annotations

from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QBoxLayout, QFrame, QScrollArea, QWidget

NARROW_UNITS: Final = 150
"""A page narrower than this, in units of the grid, stands in one column."""


def bend(narrow: bool, *rows: QBoxLayout) -> None:
    """Let each row be a column while it is narrow."""
    for row in rows:
        row.setDirection(QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight)


def scrolling(page: QWidget) -> QScrollArea:
    """The page in a frame that scrolls where the page has no room."""
    area = QScrollArea()
    area.setWidget(page)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return area
