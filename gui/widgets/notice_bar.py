"""Skeleton."""

from __future__ import annotations
from typing import TYPE_CHECKING
from PyQt6.QtWidgets import QFrame, QWidget

if TYPE_CHECKING:
    from gui.live_state import Notice


class NoticeBar(QFrame):
    """What happened here, in a sentence, with a next step. Hidden while there is nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.hide()

    def show_notice(self, notice: Notice) -> None:
        self.show()

    def clear(self) -> None:
        self.hide()
