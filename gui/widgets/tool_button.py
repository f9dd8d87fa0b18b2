"""A small button with a picture and no words on it: the words are its tooltip and what a screen reader says."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QToolButton

from gui import theme
from gui.icon import set_icon


class ToolButton(QToolButton):
    """Does one thing when it is pressed."""

    def __init__(self, picture: str, words: str, do: Callable[[], None]) -> None:
        """picture: a name of `gui.icon`; words: what it does."""
        super().__init__()
        self._picture = picture
        self._dress()
        theme.notifier.changed.connect(self._dress)
        self.setAccessibleName(words)
        self.setToolTip(words)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.clicked.connect(do)

    def _dress(self) -> None:
        set_icon(self, self._picture, units=4.5)
