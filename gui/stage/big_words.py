"""Words as large as the place allows: the preset on a dark stage, to be read from two metres.

    BigWords          one or two lines in the largest type that fits
    BigTuner          the note, and a needle that says how far beside it

Both paint themselves and repaint only when what they show changes. GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QFont, QFontMetricsF, QPainter, QPaintEvent, QPen, QPolygonF
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import theme

if TYPE_CHECKING:
    from realtime.desk.tuner import TunerReading

IN_TUNE_CENTS: Final = 5.0
_SMALLEST_PX: Final = 18


class BigWords(QWidget):
    """A text that fills its place."""

    def __init__(
        self, largest_units: float, colour: str = "text", lines: int = 1, parent: QWidget | None = None
    ) -> None:
        """largest_units: of the type, in units of the grid; colour: its token; lines: the most."""
        super().__init__(parent)
        self._largest, self._colour, self._lines = largest_units, colour, lines
        self._text = ""
        self._fitted: tuple[str, int, int, int] | None = None
        self._size_px = 0
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)

    def text(self) -> str:
        """What is shown."""
        return self._text

    def set_text(self, text: str) -> None:
        """Show it, and tell screen readers."""
        if text != self._text:
            self._text = text
            self.setAccessibleName(text)
            self.setToolTip(text)
            self.update()

    @property
    def shown_px(self) -> int:
        """The size of the type that fits, in pixels."""
        return self._fit()

    def sizeHint(self) -> QSize:  # noqa: N802
        """The largest type in all its lines."""
        return QSize(theme.px(100), theme.px(self._largest * 1.25 * self._lines))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Still to be read."""
        return QSize(theme.px(20), theme.px(min(self._largest * 0.5, 8)))

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw the words."""
        painter = QPainter(self)
        painter.setPen(theme.color(self._colour))
        painter.setFont(_font(self._fit()))
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        if self._lines > 1:
            painter.drawText(QRectF(self.rect()), flags | Qt.TextFlag.TextWordWrap, self._text)
            return
        metrics = QFontMetricsF(_font(self._fit()))
        elided = metrics.elidedText(self._text, Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(QRectF(self.rect()), flags, elided)

    def _fit(self) -> int:
        wanted = (self._text, self.width(), self.height(), theme.px(self._largest))
        if wanted == self._fitted:
            return self._size_px
        self._fitted = wanted
        room = QRectF(self.rect())
        flags = int(Qt.TextFlag.TextWordWrap.value) if self._lines > 1 else 0
        low, high = _SMALLEST_PX, max(theme.px(self._largest), _SMALLEST_PX)
        while low < high:
            middle = (low + high + 1) // 2
            metrics = QFontMetricsF(_font(middle))
            widest = max((metrics.horizontalAdvance(word) for word in self._text.split()), default=0.0)
            box = metrics.boundingRect(QRectF(0, 0, room.width(), 1e5), flags, self._text)
            fits = box.width() <= room.width() and box.height() <= room.height() and widest <= room.width()
            fits = fits and box.height() <= (self._lines + 0.5) * metrics.lineSpacing()
            low, high = (middle, high) if fits else (low, middle - 1)
        self._size_px = low
        return low


class BigTuner(QWidget):
    """The note that sounds, large."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """No note yet."""
        super().__init__(parent)
        self.note, self.cents = "", 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._tell()

    def sizeHint(self) -> QSize:  # noqa: N802
        """A note and its needle."""
        return QSize(theme.px(80), theme.px(22))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Less of it."""
        return QSize(theme.px(40), theme.px(14))

    def show_reading(self, reading: TunerReading | None) -> None:
        """Show what is heard; None: nothing."""
        clear = reading is not None and bool(reading.note)
        note, cents = (reading.note, round(reading.cents)) if clear and reading is not None else ("", 0)
        if (note, cents) != (self.note, self.cents):
            self.note, self.cents = note, cents
            self._tell()
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802
        """The note at the left, the scale with its needle beside it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        high = self.height()
        in_tune = bool(self.note) and abs(self.cents) <= IN_TUNE_CENTS
        ink = theme.color("good" if in_tune else "text" if self.note else "text_dim")
        painter.setPen(ink)
        painter.setFont(_font(min(round(high * 0.75), theme.px(18))))
        left = theme.px(34)
        middle_left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(0, 0, left, high), middle_left, self.note or "–")
        begin, end, y = left + theme.px(2), self.width() - theme.px(2), high * 0.5
        middle, reach = (begin + end) / 2, (end - begin) / 2
        painter.setPen(QPen(theme.color("border"), theme.px(0.5)))
        painter.drawLine(QPointF(begin, y), QPointF(end, y))
        for cents in (-50, -25, 0, 25, 50):
            x, size = middle + reach * cents / 50, theme.px(4 if cents == 0 else 2)
            painter.drawLine(QPointF(x, y - size), QPointF(x, y + size))
        words = "in tune" if in_tune else f"{self.cents:+d} cents".replace("-", "−") if self.note else "tuner"
        painter.setFont(theme.font("title"))
        painter.setPen(ink)
        below = QRectF(begin, y + theme.px(4), end - begin, high - y - theme.px(4))
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, words)
        if not self.note:
            return
        x, size = middle + reach * max(-50, min(50, self.cents)) / 50, theme.px(4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        if in_tune:  # a diamond: the colour alone would not do
            corners = [QPointF(x - size, y), QPointF(x, y - size), QPointF(x + size, y), QPointF(x, y + size)]
            painter.drawPolygon(QPolygonF(corners))
        else:
            painter.drawRect(QRectF(x - theme.px(0.75), y - size, theme.px(1.5), 2 * size))

    def _tell(self) -> None:
        words = f"{self.note} {self.cents:+d} cents" if self.note else "no clear note"
        self.setAccessibleName(f"Tuner: {words}")


def _font(size_px: int) -> QFont:
    font = theme.font("stage")
    font.setPixelSize(max(size_px, 1))
    return font
