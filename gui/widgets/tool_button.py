"""A small button with a picture and no words on it: the words are its tooltip and what a screen reader says."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QToolButton

from gui.icon import icon


class ToolButton(QToolButton):
    """Does one thing when it is pressed."""

    def __init__(self, picture: str, words: str, do: Callable[[], None]) -> None:
        """picture: a name of `gui.icon`; words: what it does."""
        super().__init__()
        self.setIcon(icon(picture))
        self.setAccessibleName(words)
        self.setToolTip(words)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.clicked.connect(do)
