"""The small tuner of the header: the note, and a needle that says how far beside it.

    A4 +3     ────┬─●──┬────     in tune within 5 cents: the needle is a filled diamond in the middle, else a line

Driven by `Bridge.pitch`; repaints only when what it shows changes. GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import theme

if TYPE_CHECKING:
    from gui.bridge import Bridge

IN_TUNE_CENTS: Final = 5.0


class TunerReadout(QWidget):
    """Note name and cents."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        """bridge: whose input is heard."""
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.note, self.cents = "", 0
        self.setToolTip("The note at the input, and how many cents beside it")
        self._tell()
        bridge.pitch.connect(self.show_reading)
        bridge.state_changed.connect(lambda state: None if state.sounding else self._show("", 0))

    def sizeHint(self) -> QSize:  # noqa: N802
        """Room for C♯4 −50."""
        return QSize(theme.px(20), theme.px(10))

    def show_reading(self, reading: Any) -> None:
        """Show a `TunerReading`."""
        self._show(reading.note, round(reading.cents) if reading.note else 0)

    def _show(self, note: str, cents: int) -> None:
        if (note, cents) != (self.note, self.cents):
            self.note, self.cents = note, cents
            self._tell()
            self.update()

    def _tell(self) -> None:
        words = f"{self.note} {self.cents:+d} cents" if self.note else "no clear note"
        self.setAccessibleName(f"Tuner: {words}")

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Words above, needle below."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        now, width = theme.current(), self.width()
        upper = QRectF(0, 0, width, self.height() * 0.6)
        in_tune = bool(self.note) and abs(self.cents) <= IN_TUNE_CENTS
        colour = QColor(now.good if in_tune else now.text)
        painter.setPen(colour if self.note else QColor(now.text_dim))
        painter.setFont(theme.font("strong"))
        painter.drawText(upper, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self.note or "–")
        painter.setFont(theme.font("number"))
        painter.setPen(QColor(now.text_dim))
        words = f"{self.cents:+d} ct".replace("-", "−") if self.note else "Tuner"
        painter.drawText(upper, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, words)
        middle, y, reach = width / 2, self.height() * 0.8, width / 2 - theme.px(1)
        painter.setPen(QPen(QColor(now.border), 1))
        painter.drawLine(QPointF(middle - reach, y), QPointF(middle + reach, y))
        painter.drawLine(QPointF(middle, y - theme.px(1)), QPointF(middle, y + theme.px(1)))
        if not self.note:
            return
        x, size = middle + reach * self.cents / 50.0, theme.px(1)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        if in_tune:
            corners = (QPointF(x - size, y), QPointF(x, y - size), QPointF(x + size, y), QPointF(x, y + size))
            painter.drawPolygon(QPolygonF(corners))
        else:
            painter.drawRect(QRectF(x - 1.5, y - size * 1.2, 3, size * 2.4))
