"""Lies over the panel while files hang over it, and says that they can be let go. GUI thread."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QWidget

from gui import theme


class DropVeil(QWidget):
    """Says, while files hang over the panel, that they can be let go."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """A frame and a word."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), theme.color("background", 0.85))
        painter.setPen(QPen(theme.color("accent"), theme.px(0.5), Qt.PenStyle.DashLine))
        edge = theme.px(3)
        painter.drawRoundedRect(self.rect().adjusted(edge, edge, -edge, -edge), edge, edge)
        painter.setPen(theme.color("text"))
        painter.setFont(theme.font("title"))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "Let go to add them")
