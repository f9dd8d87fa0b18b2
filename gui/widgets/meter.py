"""A level meter: RMS as the body, peak as its lighter end, a held line, a lamp for clipping that stays. GUI thread.

    Input                      −12.3  CLIP
    ██████████████████▒▒▒▒▒▒▒▒▒   ┃            ← RMS, peak, hold
    −60   −40   −30    −20   −12  −6  0

The empty scale is a kept picture; of the bar only what changed is painted again. A click, Space or Enter puts the lamp
out. While it has the keyboard a screen reader hears the levels, twice a second.
"""

from __future__ import annotations

import math
import time
from typing import Final

from PyQt6.QtCore import QRect, QSize, Qt
from PyQt6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import theme
from gui.widgets.level_ballistics import FLOOR_DB, Ballistics, place

_LINES_DB: Final = (-60, -40, -30, -20, -12, -6, 0)
_NUMBER_S: Final = 0.25
_SPOKEN_S: Final = 0.5


class LevelMeter(QWidget):
    """`set_levels` about 30 times a second; nothing else costs anything."""

    def __init__(
        self,
        label: str,
        orientation: Qt.Orientation = Qt.Orientation.Horizontal,
        colour_role: str = "input",
        *,
        scale: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        """label: its name; colour_role: "input" or "output"; scale: with the numbers of its decibel lines."""
        super().__init__(parent)
        self._label, self._lies, self._colour_role = label, orientation == Qt.Orientation.Horizontal, colour_role
        self._scale = scale
        self.levels = Ballistics()
        self._scenery: QPixmap | None = None
        self._number, self._number_at, self._spoken_at = "", -math.inf, -math.inf
        self._shown = (0, 0, 0, False)
        self.setAccessibleName(f"{label} level")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setToolTip("Click to put the clip lamp out and forget the highest peak")
        across, along = QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding
        self.setSizePolicy(*((along, across) if self._lies else (across, along)))
        theme.notifier.changed.connect(self._rescaled)

    def set_levels(self, peak: float, rms: float, now_s: float | None = None) -> None:
        """Linear levels of the newest moment, 1 being full scale; now_s: the clock, for tests."""
        now = time.monotonic() if now_s is None else now_s
        self.levels.hear(peak, rms, now)
        self._show_change(now)

    def reset(self) -> None:
        """Silence, nothing held, no clip."""
        self.levels.clear()
        self._number, self._shown = "", (0, 0, 0, False)
        self.update()

    def clipped(self) -> bool:
        """Whether the lamp is lit."""
        return self.levels.clipped

    def clear_clip(self) -> None:
        """Put the lamp out and forget the highest peak."""
        self.levels.clear_clip()
        self._number_at = -math.inf
        self._show_change(time.monotonic())
        self.update()

    def spoken(self) -> str:
        """The levels in words."""
        levels = self.levels
        if levels.most_db <= FLOOR_DB:
            return "silent"
        words = f"peak {_number(levels.peak_db)} dB, RMS {_number(levels.rms_db)} dB"
        return f"{words}, highest {_number(levels.most_db)} dB" + (", clipped" if levels.clipped else "")

    # -- what changed --------------------------------------------------------------------------------------------

    def _show_change(self, now: float) -> None:
        levels, long = self.levels, self._length()
        places = [round(place(db) * long) for db in (levels.rms_db, levels.peak_db, levels.hold_db)]
        shown = (places[0], places[1], places[2], levels.clipped)
        if shown != self._shown:
            for before, after in zip(self._shown[:3], shown[:3], strict=True):
                if before != after:
                    self.update(self._stretch(min(before, after) - 3, max(before, after) + 3))
            if shown[3] != self._shown[3]:
                self.update(self._head())
            self._shown = shown
        if now - self._number_at >= _NUMBER_S:
            self._number_at = now
            number = _number(levels.most_db)
            if number != self._number:
                self._number = number
                self.update(self._head())
        if self.hasFocus() and now - self._spoken_at >= _SPOKEN_S:
            self._spoken_at = now
            self.setAccessibleDescription(self.spoken())

    def _stretch(self, begin: int, end: int) -> QRect:
        bar = self._bar()
        if self._lies:
            return QRect(bar.left() + begin, bar.top(), end - begin, bar.height())
        return QRect(bar.left(), bar.bottom() + 1 - end, bar.width(), end - begin)

    def _length(self) -> int:
        return self._bar().width() if self._lies else self._bar().height()

    # -- where things are ----------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:  # noqa: N802
        """Long enough to read."""
        thick = theme.px(12 if self._scale else 9)
        return QSize(theme.px(60), thick) if self._lies else QSize(theme.px(18), theme.px(60))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As small as it stays readable."""
        thick = theme.px(12 if self._scale else 9)
        return QSize(theme.px(36), thick) if self._lies else QSize(theme.px(18), theme.px(36))

    def _head(self) -> QRect:
        """Name, number and lamp: one row, or three above a standing bar."""
        edge = theme.px(0.75)
        inside = self.rect().adjusted(edge, edge, -edge, 0)
        return QRect(inside.left(), inside.top(), inside.width(), theme.px(4.5 if self._lies else 13.5))

    def _bar(self) -> QRect:
        head, edge = self._head(), theme.px(0.75)
        if self._lies:
            return QRect(head.left(), head.bottom() + 1 + edge, head.width(), theme.px(2.5))
        top = head.bottom() + 1 + edge
        return QRect(head.left(), top, theme.px(4), self.height() - top - edge - theme.px(1))

    # -- the picture ---------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """The kept scale, and as much of the bar as changed."""
        assert event is not None
        painter = QPainter(self)
        ratio = self.devicePixelRatioF()
        if self._scenery is None or self._scenery.devicePixelRatio() != ratio:
            self._scenery = self._drawn_scenery(ratio)
        asked = event.rect()
        source = QRect(*(round(side * ratio) for side in (asked.x(), asked.y(), asked.width(), asked.height())))
        painter.drawPixmap(asked, self._scenery, source)
        if asked.intersects(self._bar()):
            self._paint_bar(painter)
        if asked.intersects(self._head()):
            self._paint_head(painter)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.color("focus"), 2))
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), theme.px(1), theme.px(1))

    def _paint_bar(self, painter: QPainter) -> None:
        rms, peak, hold, _ = self._shown
        colour = theme.color(self._colour_role)
        painter.fillRect(self._stretch(0, rms), colour)
        if peak > rms:
            faint = QColor(colour)
            faint.setAlphaF(0.45)
            painter.fillRect(self._stretch(rms, peak), faint)
        if hold > 1:
            painter.fillRect(self._stretch(hold - 2, hold), theme.color("text"))

    def _paint_head(self, painter: QPainter) -> None:
        head, row = self._head(), theme.px(4.5)
        painter.setFont(theme.font("small"))
        lamp_width = painter.fontMetrics().horizontalAdvance("CLIP") + theme.px(2)
        centred = Qt.AlignmentFlag.AlignCenter
        if self._lies:
            lamp = QRect(head.right() + 1 - lamp_width, head.top(), lamp_width, row)
            number = QRect(head.left(), head.top(), head.width() - lamp_width - theme.px(2), row)
            side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        else:
            lamp = QRect(head.left(), head.top() + 2 * row, lamp_width, row - 1)
            number = QRect(head.left(), head.top() + row, head.width(), row)
            side = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(theme.color("text"))
        painter.drawText(number, side, self._number)
        if self.levels.clipped:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("bad"))
            painter.drawRoundedRect(lamp, theme.px(0.75), theme.px(0.75))
            painter.setPen(theme.color("background"))
            painter.drawText(lamp, centred, "CLIP")

    def _drawn_scenery(self, ratio: float) -> QPixmap:
        """Everything that does not move, on the background of the parent (transparent)."""
        picture = QPixmap(round(self.width() * ratio), round(self.height() * ratio))
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        bar, head, row = self._bar(), self._head(), theme.px(4.5)
        painter.fillRect(bar, theme.color("raised"))
        painter.setPen(theme.color("border"))
        painter.drawRect(bar.adjusted(-1, -1, 0, 0))
        painter.setFont(theme.font("small"))
        painter.setPen(theme.color("text_dim"))
        side = Qt.AlignmentFlag.AlignLeft
        painter.drawText(
            QRect(head.left(), head.top(), head.width(), row), side | Qt.AlignmentFlag.AlignVCenter, self._label
        )
        if self._scale:
            self._draw_lines(painter, bar)
        painter.end()
        return picture

    def _draw_lines(self, painter: QPainter, bar: QRect) -> None:
        last = -math.inf
        for line_db in reversed(_LINES_DB):
            at, words = round(place(line_db) * self._length()), _whole(line_db)
            size = painter.fontMetrics().horizontalAdvance(words) if self._lies else painter.fontMetrics().height()
            if -last < at + size / 2 + theme.px(1) and last != -math.inf:
                continue  # no room: the next line's number stays out
            if self._lies:
                x = min(max(bar.left() + at - size // 2, bar.left()), bar.right() - size + 1)
                below = QRect(x, bar.bottom() + 2, size + 2, theme.px(3.5))
                painter.drawText(below, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)
                last = -(x - bar.left())
            else:
                y = bar.bottom() - at
                beside = QRect(bar.right() + theme.px(1.5), y - size // 2, theme.px(10), size)
                painter.drawText(beside, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)
                last = -(at - size / 2)

    # -- hand and keyboard ---------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Put the lamp out."""
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            self.clear_clip()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Space and Enter put the lamp out."""
        assert event is not None
        if event.key() in {Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self.clear_clip()
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """Say the levels."""
        self.setAccessibleDescription(self.spoken())
        super().focusInEvent(event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """The scale is drawn anew."""
        self._scenery = None
        super().resizeEvent(event)

    def _rescaled(self) -> None:
        self._scenery = None
        self.updateGeometry()
        self.update()


def _number(level_db: float) -> str:
    return (
        "−∞"
        if level_db <= FLOOR_DB
        else f"{round(level_db, 1) + 0.0:{'+' if level_db >= 0.05 else ''}.1f}".replace("-", "−")
    )


def _whole(level_db: int) -> str:
    return str(level_db).replace("-", "−")
