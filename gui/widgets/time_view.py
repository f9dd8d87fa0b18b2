"""What every picture over time shares: which seconds are seen, zoom and pan, a time axis, a cursor, marks. GUI thread.

    wheel             zoom at the mouse          + −              zoom in the middle
    Shift + wheel     pan                        ← →              the cursor (pan where there is none)
    drag              pan                        Page Up, Down    pan by half of what is seen
    click             `clicked(seconds)`         0  Home  End     everything, the beginning, the end

`view_changed(start_s, end_s)` links pictures: connect it to the other's `set_view`. A view paints its sound in
`paint_sound`; cursor, marks and axis are laid over it, and a cursor that moves repaints two thin strips.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from PyQt6.QtCore import QPointF, QRect, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PyQt6.QtWidgets import QApplication, QSizePolicy, QWidget

from gui import theme

Mark = tuple[float, float, str]  # start_s, end_s, what is there

SHORTEST_S: Final = 0.01
_STEPS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800)


class TimeView(QWidget):
    """A sound over time; `clicked` brings the seconds of a click, or where the arrow keys moved the cursor to."""

    clicked = pyqtSignal(float)
    view_changed = pyqtSignal(float, float)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        """name: for screen readers."""
        super().__init__(parent)
        self._length_s = 0.0
        self._view = (0.0, 0.0)
        self._cursor_s = math.nan
        self._marks: tuple[Mark, ...] = ()
        self._pressed: tuple[QPointF, tuple[float, float]] | None = None
        self._dragged = False
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme.notifier.changed.connect(self.dress)

    # -- what is seen --------------------------------------------------------------------------------------------

    def length_s(self) -> float:
        """Seconds of sound."""
        return self._length_s

    def view(self) -> tuple[float, float]:
        """The first and the last second that is seen."""
        return self._view

    def set_view(self, start_s: float, end_s: float) -> None:
        """Look at these seconds, as far as there is sound."""
        span = min(max(end_s - start_s, min(SHORTEST_S, self._length_s)), self._length_s)
        start = min(max(start_s, 0.0), self._length_s - span)
        if (start, start + span) != self._view:
            self._view = (start, start + span)
            self.view_moved()
            self.update()
            self.view_changed.emit(*self._view)

    def set_length(self, length_s: float) -> None:
        """Another sound: all of it is seen."""
        self._length_s, self._view = length_s, (0.0, length_s)
        self.setAccessibleDescription(f"{length_s:.1f} s" if length_s else "empty")
        self.view_moved()
        self.update()
        self.view_changed.emit(*self._view)

    def zoom(self, factor: float, at_s: float | None = None) -> None:
        """See `factor` times as much; at_s stays where it is (none: the middle)."""
        start, end = self._view
        at = (start + end) / 2 if at_s is None else at_s
        self.set_view(at - (at - start) * factor, at + (end - at) * factor)

    def pan(self, part: float) -> None:
        """Move on by a part of what is seen."""
        start, end = self._view
        self.set_view(start + part * (end - start), end + part * (end - start))

    def cursor_s(self) -> float:
        """Where the sound plays; NaN: nowhere."""
        return self._cursor_s

    def set_cursor(self, seconds: float) -> None:
        """Where the sound plays; NaN: nowhere."""
        for strip in (self._strip(self._cursor_s), self._strip(seconds)):
            if strip is not None:
                self.update(strip)
        self._cursor_s = seconds

    def marks(self) -> tuple[Mark, ...]:
        """The marked stretches."""
        return self._marks

    def set_marks(self, marks: Sequence[Mark]) -> None:
        """Stretches (start_s, end_s, what is there), shown over the sound in warning colour with their words."""
        self._marks = tuple(marks)
        words = "; ".join(f"{start:.1f} to {end:.1f} s: {text}" for start, end, text in self._marks[:20])
        self.setAccessibleDescription(". ".join(filter(None, (f"{self._length_s:.1f} s", words))))
        self.update()

    def _strip(self, seconds: float) -> QRect | None:
        if not self._view[0] <= seconds <= self._view[1]:  # nowhere, or not in sight
            return None
        return QRect(round(self.x_of(seconds)) - 2, 0, 5, self.height())

    # -- where things are ----------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:  # noqa: N802
        """Wide."""
        return QSize(theme.px(120), theme.px(36))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As small as something can be seen."""
        return QSize(theme.px(40), theme.px(20))

    def plot(self) -> QRect:
        """Where the sound is painted: all but the time axis."""
        return self.rect().adjusted(0, 0, 0, -theme.px(5))

    def x_of(self, seconds: float) -> float:
        """The pixel of a second."""
        start, end = self._view
        place = self.plot()
        return place.left() + (seconds - start) / max(end - start, 1e-9) * place.width()

    def seconds_at(self, x: float) -> float:
        """The second of a pixel, as far as there is sound."""
        start, end = self._view
        place = self.plot()
        seconds = start + (x - place.left()) / max(1, place.width()) * (end - start)
        return min(max(seconds, 0.0), self._length_s)

    # -- for a view to fill ----------------------------------------------------------------------------------------

    def paint_sound(self, painter: QPainter, place: QRect) -> None:
        """Paint what is seen of the sound."""

    def view_moved(self) -> None:
        """Another part is seen."""

    def dress(self) -> None:
        """The theme has changed."""
        self.updateGeometry()
        self.update()

    # -- the picture ---------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """The sound, marks, cursor, axis, ring."""
        painter = QPainter(self)
        place = self.plot()
        painter.fillRect(place, theme.color("background"))
        if self._length_s > 0:
            painter.save()
            painter.setClipRect(place)
            self.paint_sound(painter, place)
            painter.restore()
            self._paint_marks(painter, place)
            self._paint_axis(painter, place)
        if self._length_s > 0 and self._view[0] <= self._cursor_s <= self._view[1]:
            x = round(self.x_of(self._cursor_s))
            painter.fillRect(QRect(x - 1, place.top(), 2, place.height()), theme.color("text"))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.color("focus"), 2))
            painter.drawRect(place.adjusted(1, 1, -1, -1))

    def _paint_marks(self, painter: QPainter, place: QRect) -> None:
        painter.setFont(theme.font("small"))
        metrics = painter.fontMetrics()
        high, free = metrics.height(), float(place.left())
        for start, end, text in self._marks:
            left, right = self.x_of(start), self.x_of(end)
            if right < place.left() or left > place.right():
                continue
            left, right = max(left, float(place.left())), min(max(right, left + 2), float(place.right() + 1))
            stretch = QRect(round(left), place.top(), max(2, round(right - left)), place.height())
            painter.fillRect(stretch, theme.color("warn", 0.16))
            painter.fillRect(QRect(stretch.left(), place.top(), 1, place.height()), theme.color("warn"))
            painter.fillRect(QRect(stretch.right(), place.top(), 1, place.height()), theme.color("warn"))
            painter.fillRect(QRect(stretch.left(), place.top(), stretch.width(), 2), theme.color("warn"))
            wide = metrics.horizontalAdvance(text) + theme.px(2)
            at = min(max(left, free), place.right() + 1 - wide)
            if text and at >= free:
                box = QRect(round(at), place.top() + 2, wide, high + 2)
                painter.fillRect(box, theme.color("background", 0.85))
                painter.setPen(theme.color("warn"))
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
                free = at + wide + theme.px(1)

    def _paint_axis(self, painter: QPainter, place: QRect) -> None:
        painter.setFont(theme.font("small"))
        painter.setPen(theme.color("text_dim"))
        start, end = self._view
        room = painter.fontMetrics().horizontalAdvance("00:00.000") + theme.px(4)
        fewest = room / max(1, place.width()) * (end - start)
        step = next((step for step in _STEPS_S if step >= fewest), _STEPS_S[-1])
        base, high = place.bottom() + 1, self.height() - place.height()
        for k in range(math.ceil(start / step), math.floor(end / step + 1e-9) + 1):
            x, words = round(self.x_of(k * step)), _clock(k * step, step)
            painter.drawLine(x, base, x, base + theme.px(0.75))
            wide = painter.fontMetrics().horizontalAdvance(words) + 2
            left = min(max(x - wide // 2, place.left()), place.right() - wide)
            painter.drawText(
                QRect(left, base + theme.px(0.5), wide, high - theme.px(0.5)), Qt.AlignmentFlag.AlignCenter, words
            )

    # -- hand and keyboard ---------------------------------------------------------------------------------------

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """Zoom at the mouse; with Shift, or sideways, pan."""
        assert event is not None
        along, across = event.angleDelta().y(), event.angleDelta().x()
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier or abs(across) > abs(along):
            self.pan(-(across or along) / 120.0 * 0.1)
        elif along:
            self.zoom(0.8 ** (along / 120.0), self.seconds_at(event.position().x()))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Begin a click or a drag."""
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed, self._dragged = (event.position(), self._view), False

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Pan, once it is more than a tremble."""
        assert event is not None
        if self._pressed is None:
            return
        at, (start, end) = self._pressed
        way = event.position().x() - at.x()
        self._dragged = self._dragged or abs(way) >= QApplication.startDragDistance()
        if self._dragged:
            moved = -way / max(1, self.plot().width()) * (end - start)
            self.set_view(start + moved, end + moved)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """A click that was no drag."""
        assert event is not None
        if self._pressed is not None and not self._dragged and self._length_s > 0:
            self.clicked.emit(self.seconds_at(event.position().x()))
        self._pressed = None

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """See the table above."""
        assert event is not None
        keys, key, span = Qt.Key, event.key(), self._view[1] - self._view[0]
        arrows = {keys.Key_Left: -1, keys.Key_Right: 1}
        pans = {keys.Key_PageUp: -0.5, keys.Key_PageDown: 0.5}
        if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            event.ignore()
        elif key in arrows and math.isnan(self._cursor_s):
            self.pan(0.1 * arrows[keys(key)])
        elif key in arrows:
            self.clicked.emit(min(max(self._cursor_s + 0.02 * span * arrows[keys(key)], 0.0), self._length_s))
        elif key in pans:
            self.pan(pans[keys(key)])
        elif event.text() in {"+", "="}:
            self.zoom(0.5)
        elif event.text() in {"-", "−"}:
            self.zoom(2.0)
        elif event.text() == "0":
            self.set_view(0.0, self._length_s)
        elif key == keys.Key_Home:
            self.set_view(0.0, span)
        elif key == keys.Key_End:
            self.set_view(self._length_s - span, self._length_s)
        else:
            event.ignore()


def _clock(seconds: float, step: float) -> str:
    minutes, rest = divmod(round(seconds, 3), 60)
    decimals = 0 if step >= 1 else 1 if step >= 0.1 else 2 if step >= 0.01 else 3
    if minutes:
        return f"{minutes:.0f}:{rest:0{3 + decimals if decimals else 2}.{decimals}f}"
    return f"{rest:.{decimals}f} s"
