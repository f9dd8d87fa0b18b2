"""The note that is played, and how many cents beside it: large letters and a calm needle. GUI thread.

    A4  +3 cents
────────┼▮───────      the needle moves a part of the way at each reading, so that vibrato does not make it jump
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtCore import QPointF, QRectF, QSize, Qt
from PyQt6.QtGui import QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import theme

if TYPE_CHECKING:
    from realtime.desk.tuner import TunerReading

_CALM = 0.35
_IN_TUNE_CENTS = 5.0


class PitchView(QWidget):
    """A tuner that one can look at while playing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._note, self._cents, self._needle = "", 0.0, 0.0
        self._drawn: tuple[str, int, int] = ("", 0, 0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Pitch: nothing clear is heard")
        self.setToolTip("The note that you play, and how many cents beside it.")
        theme.notifier.changed.connect(self.update)

    @property
    def note(self) -> str:
        """The note's name, "" while there is none."""
        return self._note

    @property
    def cents(self) -> float:
        """Beside the note, −50 to 50."""
        return self._cents

    def show_reading(self, reading: TunerReading | None) -> None:
        """What the tuner hears; None: nothing."""
        if reading is None or reading.f0_hz is None:
            self._note, self._cents, self._needle = "", 0.0, 0.0
        else:
            same = reading.note == self._note
            self._note, self._cents = reading.note, reading.cents
            self._needle = self._needle + _CALM * (reading.cents - self._needle) if same else reading.cents
        drawn = (self._note, round(self._needle), round(self._cents))
        if drawn != self._drawn:
            self._drawn = drawn
            words = f"{self._note} {self._cents:+.0f} cents" if self._note else "nothing clear is heard"
            self.setAccessibleName(f"Pitch: {words}")
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """The letters, and the scale below them."""
        return QSize(theme.px(28), theme.px(17))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """No less than that."""
        return self.sizeHint()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802
        """Letters, scale, needle."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width, height, unit = self.width(), self.height(), theme.px(1)
        in_tune = bool(self._note) and abs(self._needle) <= _IN_TUNE_CENTS
        tone = theme.color("good" if in_tune else "text" if self._note else "text_dim")
        words = QRectF(0, 0, width, 9 * unit)
        painter.setPen(tone)
        painter.setFont(theme.font("display"))
        painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._note or "–")
        painter.setFont(theme.font("number"))
        painter.setPen(theme.color("text_dim"))
        beside = f"{self._cents:+.0f} cents".replace("-", "−") if self._note else "play a note"
        painter.drawText(words, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, beside)
        middle, line = width / 2, height - 3.5 * unit
        reach = middle - 1.5 * unit
        painter.setPen(QPen(theme.color("line"), max(1.0, unit / 2)))
        painter.drawLine(QPointF(middle - reach, line), QPointF(middle + reach, line))
        for part in (-1.0, -0.5, 0.0, 0.5, 1.0):
            high = 1.5 * unit if part == 0 else 0.75 * unit
            painter.setPen(QPen(theme.color("border"), 1.0))
            painter.drawLine(QPointF(middle + part * reach, line - high), QPointF(middle + part * reach, line + high))
        if self._note:
            at = middle + max(-1.0, min(1.0, self._needle / 50)) * reach
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(tone)
            painter.drawRoundedRect(QRectF(at - unit, line - 2.5 * unit, 2 * unit, 5 * unit), unit, unit)
        painter.end()
