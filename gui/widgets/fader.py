"""A fader: a name, a number, and a track to draw it along. GUI thread.

    Mix                      50 %        ← a click or a digit opens the number for typing
    ━━━━━━━━━━━━━━┃──────────────        ← a drag anywhere moves it by as much; a click alone moves nothing

A drag is relative, so that no slip of the hand makes the sound leap, and Shift makes it ten times finer. The wheel
turns a fader only while it has the keyboard: scrolling past changes nothing. A double click or Backspace brings the
default. It is a `QSlider`, so that screen readers know it as one, with the number and unit as its description.

Over 300 lines because hand, keyboard and picture share one geometry.
"""

from __future__ import annotations

import math
from typing import Final, Literal

from PyQt6.QtCore import QPointF, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QSizePolicy, QSlider, QWidget

from gui import theme
from gui.widgets.number_entry import NumberEntry
from gui.widgets.quantity import Quantity

_TICKS: Final = 10_000  # places of the slider that screen readers see
_FINE: Final = 0.1
_LOG_SPAN: Final = 50.0  # of a curve from 0: 0 to 20 Hz of 1000 lie at the very left
Curve = Literal["linear", "log"]
_STARTERS: Final = frozenset("0123456789.,+-−")


class Fader(QSlider):
    """A number between two ends; `value_changed` says each new one, whoever set it, unless told to be quiet."""

    value_changed = pyqtSignal(float)
    moved = pyqtSignal(float)  # by the user alone: mouse, wheel, keys, typing, a screen reader
    released = pyqtSignal()  # the end of a drag

    def __init__(
        self,
        label: str,
        low: float,
        high: float,
        default: float,
        unit: str = "",
        *,
        step: float | None = None,
        off: float | None = None,
        curve: Curve = "linear",
        orientation: Qt.Orientation = Qt.Orientation.Horizontal,
        colour_role: str = "accent",
        parent: QWidget | None = None,
    ) -> None:
        """label: its name, also for screen readers; off: the value shown as "Off"; colour_role: token of its fill.

        curve: "log" for frequencies and times: equal ways are equal ratios.
        """
        super().__init__(orientation, parent)
        self._curve: Curve = curve
        self.quantity = Quantity(low, high, default, unit, step, off)
        self._value = self.quantity.clamped(default)
        self._label, self._colour_role, self._badge, self._prompt = label, colour_role, "", ""
        self._grip: tuple[QPointF, float] | None = None
        self._entry: NumberEntry | None = None
        self.setRange(0, _TICKS)
        self.setAccessibleName(label)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        across, along = QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding
        self.setSizePolicy(*((along, across) if self._lies() else (across, along)))
        self.valueChanged.connect(self._told_by_slider)
        theme.notifier.changed.connect(self._rescaled)
        self._show_value()

    # -- the value -----------------------------------------------------------------------------------------------

    def value(self) -> float:  # type: ignore[override]
        """The number, in its unit."""
        return self._value

    def set_value(self, value: float, *, quiet: bool = False) -> None:
        """Move it; a value outside becomes the nearest end. quiet: without `value_changed`."""
        value = self.quantity.clamped(float(value))
        if value == self._value:
            return
        self._value = value
        self._show_value()
        if not quiet:
            self.value_changed.emit(value)

    def label(self) -> str:
        """Its name."""
        return self._label

    def text(self) -> str:
        """The value as it is shown."""
        return self.quantity.text(self._value)

    def set_badge(self, badge: str) -> None:
        """A few letters beside the name, such as the controller that moves it."""
        if badge != self._badge:
            self._badge = badge
            self.update()

    def set_prompt(self, prompt: str) -> None:
        """Words in place of the number, while something is asked of the user; empty: the number."""
        if prompt != self._prompt:
            self._prompt = prompt
            self._show_value()

    def held(self) -> bool:
        """Whether the hand holds it."""
        return self._grip is not None

    def _moved_to(self, value: float) -> None:
        before = self._value
        self.set_value(value)
        if self._value != before:
            self.moved.emit(self._value)

    def _part(self) -> float:
        return self._part_of(self._value)

    def _part_of(self, value: float) -> float:
        """How far along the track a value lies, 0 to 1."""
        low, high = self.quantity.low, self.quantity.high
        if self._curve == "linear":
            return (value - low) / (high - low)
        floor = self._log_floor()
        return 0.0 if value <= floor else math.log(value / floor) / math.log(high / floor)

    def _value_at(self, part: float) -> float:
        """What lies there."""
        low, high = self.quantity.low, self.quantity.high
        if self._curve == "linear":
            return low + part * (high - low)
        floor = self._log_floor()
        return low if part <= 0.0 else floor * (high / floor) ** part

    def _log_floor(self) -> float:
        """Where the curve begins: a range from 0 has its 0 there."""
        return self.quantity.low or self.quantity.high / _LOG_SPAN

    def _show_value(self) -> None:
        blocked = self.blockSignals(True)
        self.setSliderPosition(round(self._part() * _TICKS))
        self.blockSignals(blocked)
        self.setAccessibleDescription(self._prompt or self.text())
        self.update()

    def _told_by_slider(self, place: int) -> None:
        """A screen reader moved the slider."""
        self._moved_to(self.quantity.stepped(self._value_at(place / _TICKS), 0.0))

    # -- the hand and the keyboard -------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Take hold, or open the number."""
        assert event is not None
        if event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
        elif self._number_place().contains(event.position().toPoint()):
            self.begin_typing()
        else:
            self._grip = (event.position(), self._part())
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Move by as much as the hand moved since the last event."""
        assert event is not None
        if self._grip is None:
            over = self._number_place().contains(event.position().toPoint())
            self.setCursor(Qt.CursorShape.IBeamCursor if over else Qt.CursorShape.ArrowCursor)
            return
        at, exact = self._grip
        way = event.position() - at
        part = way.x() / max(1, self._track().width()) if self._lies() else -way.y() / max(1, self._track().height())
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            part *= _FINE
        exact = min(max(exact + part, 0.0), 1.0)
        self._grip = (event.position(), exact)
        self._moved_to(self.quantity.stepped(self._value_at(exact), 0.0))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Let go."""
        if self._grip is not None:
            self._grip = None
            self.update()
            self.released.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Back to the default."""
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            self._moved_to(self.quantity.default)

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """A step a notch, only while it has the keyboard."""
        assert event is not None
        notches = (event.angleDelta().y() or event.angleDelta().x()) / 120.0
        if not self.hasFocus() or not notches:
            event.ignore()
            return
        fine = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self._moved_to(self.quantity.stepped(self._value, notches * self._step(fine=fine)))
        event.accept()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Arrows, Page Up and Down, Home, End, Backspace, digits, Enter."""
        assert event is not None
        held = event.modifiers()
        if held & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            event.ignore()
            return
        key, step = event.key(), self._step(fine=bool(held & Qt.KeyboardModifier.ShiftModifier))
        keys, quantity = Qt.Key, self.quantity
        moves = {
            keys.Key_Up: step, keys.Key_Right: step, keys.Key_Down: -step, keys.Key_Left: -step,
            keys.Key_PageUp: quantity.page, keys.Key_PageDown: -quantity.page,
        }  # fmt: skip
        places = {keys.Key_Home: quantity.low, keys.Key_End: quantity.high, keys.Key_Backspace: quantity.default}
        if key in moves:
            self._moved_to(quantity.stepped(self._value, moves[keys(key)]))
        elif key in places:
            self._moved_to(places[keys(key)])
        elif key in {keys.Key_Return, keys.Key_Enter}:
            self.begin_typing()
        elif event.text() and event.text() in _STARTERS:
            self.begin_typing(event.text())
        else:
            event.ignore()

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:  # noqa: N802
        """Nothing here; a bound fader has one."""
        assert event is not None
        event.ignore()

    def focusInEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """Show the ring."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """Hide the ring."""
        super().focusOutEvent(event)
        self.update()

    def begin_typing(self, first: str = "") -> None:
        """Open the number for typing, with its first character or with the present number chosen."""
        if self._entry is None:
            self._entry = NumberEntry(self, self.quantity)
            self._entry.entered.connect(self._moved_to)
        self._entry.open(self._number_place(), self._label, self.text(), first)

    def _step(self, *, fine: bool) -> float:
        return self.quantity.fine if fine else self.quantity.coarse

    # -- the picture ---------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:  # noqa: N802
        """Wide enough to be precise; as tall as a target on stage."""
        return QSize(theme.px(48), theme.px(12)) if self._lies() else QSize(theme.px(20), theme.px(48))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As small as it stays readable."""
        return QSize(theme.px(30), theme.px(12)) if self._lies() else QSize(theme.px(16), theme.px(32))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """The entry lies where the number is."""
        super().resizeEvent(event)
        if self._entry is not None and self._entry.isVisible():
            self._entry.setGeometry(self._number_place())

    def _rescaled(self) -> None:
        self.updateGeometry()
        self.update()

    def _lies(self) -> bool:
        return self.orientation() == Qt.Orientation.Horizontal

    def _inside(self) -> QRect:
        edge = theme.px(1)
        return self.rect().adjusted(edge, edge, -edge, -edge)

    def _row(self) -> int:
        return theme.px(5)

    def _number_place(self) -> QRect:
        inside, metrics = self._inside(), QFontMetrics(theme.font("number"))
        quantity = self.quantity
        widest = max(metrics.horizontalAdvance(quantity.text(v) + "00") for v in (quantity.low, quantity.high))
        if not self._lies():
            return QRect(inside.left(), inside.bottom() - self._row() + 1, inside.width(), self._row())
        width = min(max(widest, theme.px(12)), inside.width() * 2 // 3)
        return QRect(inside.right() - width + 1, inside.top(), width, self._row())

    def _track(self) -> QRectF:
        """Where the middle of the handle goes."""
        inside, half = QRectF(self._inside()), theme.px(1.25)
        if self._lies():
            top = inside.top() + self._row()
            return QRectF(inside.left() + half, top, inside.width() - 2 * half, inside.bottom() - top)
        row, above = self._row(), self._row() * (2 if self._badge else 1) + half
        return QRectF(inside.left(), inside.top() + above, inside.width(), inside.height() - above - row - half)

    def _place(self, part: float) -> float:
        track = self._track()
        return track.left() + part * track.width() if self._lies() else track.bottom() - part * track.height()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Name, badge, number, track, handle and, with the keyboard, the ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_words(painter)
        self._paint_track(painter)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(theme.color("focus"), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.px(1.5), theme.px(1.5))

    def _paint_words(self, painter: QPainter) -> None:
        inside, number = self._inside(), self._number_place()
        words = theme.color("text" if self.isEnabled() else "border")
        painter.setFont(theme.font("number"))
        painter.setPen(theme.color("accent") if self._prompt else words)
        side = Qt.AlignmentFlag.AlignRight if self._lies() else Qt.AlignmentFlag.AlignHCenter
        place = inside.adjusted(0, 0, 0, self._row() - inside.height()) if self._prompt and self._lies() else number
        painter.drawText(place, side | Qt.AlignmentFlag.AlignVCenter, self._prompt or self.text())
        if self._prompt and self._lies():
            room = inside.width() - QFontMetrics(theme.font("number")).horizontalAdvance(self._prompt) - theme.px(2)
        else:
            room = number.left() - inside.left() - theme.px(1) if self._lies() else inside.width()
            if self._lies() and QFontMetrics(theme.font("body")).horizontalAdvance(self._label) >= room:
                now = QFontMetrics(theme.font("number")).horizontalAdvance(self.text())
                room = max(room, inside.width() - now - theme.px(2))  # a number that is short now leaves more
        top = QRect(inside.left(), inside.top(), max(0, room), self._row())
        painter.setFont(theme.font("body"))
        painter.setPen(theme.color("text_dim" if self.isEnabled() else "border"))
        metrics, badge = painter.fontMetrics(), self._badge
        small = QFontMetrics(theme.font("small"))
        badge_width = small.horizontalAdvance(badge) + theme.px(2.5) if badge else 0
        taken = badge_width if self._lies() else 0
        name = metrics.elidedText(self._label, Qt.TextElideMode.ElideRight, max(0, top.width() - taken))
        start = Qt.AlignmentFlag.AlignLeft if self._lies() else Qt.AlignmentFlag.AlignHCenter
        painter.drawText(top, start | Qt.AlignmentFlag.AlignVCenter, name)
        if badge:
            beside = top.left() + metrics.horizontalAdvance(name) + theme.px(1)
            left = beside if self._lies() else top.center().x() - (badge_width - theme.px(1)) // 2
            below = 0 if self._lies() else self._row()
            chip = QRectF(left + 0.5, top.top() + below + 1.5, badge_width - theme.px(1), self._row() - 3)
            painter.setPen(QPen(theme.color("border"), 1))
            painter.drawRoundedRect(chip, theme.px(0.75), theme.px(0.75))
            painter.setFont(theme.font("small"))
            painter.setPen(theme.color("text"))
            painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, badge)

    def _paint_track(self, painter: QPainter) -> None:
        track, thick, quantity = self._track(), float(theme.px(1)), self.quantity
        middle = track.center()
        radius = thick / 2
        origin = self._part_of(quantity.default)
        if not quantity.low < 0 < quantity.high:
            origin = 1.0 if quantity.off is not None and quantity.off == quantity.high else 0.0
        begin, end = sorted((self._place(origin), self._place(self._part())))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("border" if self.isEnabled() else "line"))
        fill = theme.color(self._colour_role if self.isEnabled() else "border")
        groove = thick / 2
        if self._lies():
            painter.drawRoundedRect(
                QRectF(track.left(), middle.y() - groove / 2, track.width(), groove), radius / 2, radius / 2
            )
            painter.setBrush(fill)
            painter.drawRoundedRect(QRectF(begin, middle.y() - radius, end - begin, thick), radius, radius)
        else:
            painter.drawRoundedRect(
                QRectF(middle.x() - groove / 2, track.top(), groove, track.height()), radius / 2, radius / 2
            )
            painter.setBrush(fill)
            painter.drawRoundedRect(QRectF(middle.x() - radius, begin, thick, end - begin), radius, radius)
        self._paint_default(painter, track)
        long, short = float(theme.px(4.5)), float(theme.px(2.5))
        at = self._place(self._part())
        width, height = (short, long) if self._lies() else (long, short)
        x, y = (at, middle.y()) if self._lies() else (middle.x(), at)
        painter.setPen(QPen(theme.color("background"), 2))
        held = self._grip is not None
        painter.setBrush(theme.color("border" if not self.isEnabled() else self._colour_role if held else "text"))
        painter.drawRoundedRect(QRectF(x - width / 2, y - height / 2, width, height), short / 2.5, short / 2.5)

    def _paint_default(self, painter: QPainter, track: QRectF) -> None:
        """A small tick where the default lies, unless that is an end."""
        quantity = self.quantity
        if not quantity.low < quantity.default < quantity.high:
            return
        at = self._place(self._part_of(quantity.default))
        painter.setPen(QPen(theme.color("text_dim"), 1))
        away, size = theme.px(1), theme.px(1)
        if self._lies():
            y = track.center().y() + away + 1
            painter.drawLine(QPointF(at, y), QPointF(at, y + size))
        else:
            x = track.center().x() + away + 1
            painter.drawLine(QPointF(x, at), QPointF(x + size, at))
