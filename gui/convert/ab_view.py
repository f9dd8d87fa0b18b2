"""Input above result on one time axis: the waveform of each over its spectrogram, and one cursor through both.

    Input   ▁▂▅▂▁▁▃▅  waveform          click, drag      the cursor goes there
            ░▒▓▒░░▒▓  spectrogram       wheel, + − 0     nearer, farther, whole        Shift+wheel  along
    Result  ▁▂▅▂▁▁▃▅                    ← → Home End     the cursor (Shift: 5 s)       Space, X     play, the other one
            ░▒▓▒░░▒▓
            0:00   0:05   0:10          the one that is heard is marked; it is the brighter of the two

It draws what `overview` reduced and keeps the drawing, so that a moving cursor costs two thin strips. GUI thread.

Over 300 lines because hand, keys and picture share one geometry.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFontMetricsF,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QPolygonF,
    QResizeEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import theme
from gui.convert.overview import BANDS, HIGHEST_HZ, LOWEST_HZ, Overview
from gui.convert.time_left import clock

LANES = ("Input", "Result")
_ROLES = ("input", "output")
_SHORTEST_S = 0.05
_AXIS_STEPS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


class AbView(QWidget):
    """Two overviews, one cursor."""

    jumped = pyqtSignal(float)
    stretch_changed = pyqtSignal(float, float)
    play_pressed = pyqtSignal()
    other_pressed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._overviews: list[Overview | None] = [None, None]
        self._words = ["", ""]
        self._seconds = 0.0
        self._start_s, self._end_s = 0.0, 1.0
        self._cursor_s = 0.0
        self._heard = 1
        self._drawn: QPixmap | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Input and result beside each other")
        self.setAccessibleDescription("Arrow keys move the cursor, Space plays, X switches between input and result.")
        theme.notifier.changed.connect(self._redraw)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Where both spectrograms can still be read."""
        return QSize(theme.px(60), theme.px(36))

    @property
    def columns(self) -> int:
        """How many columns an overview should have."""
        return max(64, round((self.width() - self._gutter()) * self.devicePixelRatioF()))

    @property
    def cursor_s(self) -> float:
        """Where the cursor is."""
        return self._cursor_s

    @property
    def stretch(self) -> tuple[float, float]:
        """What is shown, in seconds."""
        return self._start_s, self._end_s

    def show_length(self, seconds: float) -> None:
        """Begin with another pair, of this length, shown whole."""
        self._seconds = max(seconds, _SHORTEST_S)
        self._start_s, self._end_s = 0.0, self._seconds
        self._overviews = [None, None]
        self.set_cursor(0.0)
        self._redraw()

    def set_overview(self, lane: int, overview: Overview | None, words: str = "") -> None:
        """What a lane (0 input, 1 result) shows; `words` where there is nothing to see."""
        self._overviews[lane], self._words[lane] = overview, words
        self._redraw()

    def set_heard(self, lane: int) -> None:
        """Mark the one that plays, or would."""
        self._heard = lane
        self._redraw()

    def set_cursor(self, seconds: float) -> None:
        """Move the cursor; only where it was and is gets painted."""
        before, self._cursor_s = self._cursor_s, min(max(seconds, 0.0), self._seconds)
        reach = theme.px(2)
        for at in (before, self._cursor_s):
            self.update(round(self._x(at)) - reach, 0, 2 * reach + 1, self.height())

    def show_stretch(self, start_s: float, end_s: float) -> None:
        """Show another stretch; says so, as a finer overview is due."""
        length = min(max(end_s - start_s, _SHORTEST_S), self._seconds)
        start = min(max(start_s, 0.0), self._seconds - length)
        if (start, start + length) != (self._start_s, self._end_s):
            self._start_s, self._end_s = start, start + length
            self._redraw()
            self.stretch_changed.emit(self._start_s, self._end_s)

    # painting

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """The kept drawing, and the cursor."""
        ratio = self.devicePixelRatioF()
        if self._drawn is None:
            self._drawn = QPixmap((self.size().toSizeF() * ratio).toSize())
            self._drawn.setDevicePixelRatio(ratio)
            self._drawn.fill(theme.color("surface"))
            painter = QPainter(self._drawn)
            self._draw(painter)
            painter.end()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._drawn)
        x = self._x(self._cursor_s)
        if self._seconds > 0 and self._gutter() <= x <= self.width():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(theme.color("text"))
            painter.drawLine(QPointF(x, 0), QPointF(x, self._lanes_bottom()))
            painter.setBrush(theme.color("text"))
            reach = theme.px(1)
            painter.drawPolygon(QPolygonF([QPointF(x - reach, 0), QPointF(x + reach, 0), QPointF(x, 1.4 * reach)]))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(theme.color("focus"))
            painter.drawRect(QRectF(0.5, 0.5, self.width() - 1, self.height() - 1))

    def _draw(self, painter: QPainter) -> None:
        height = self._lanes_bottom() / 2
        for lane in (0, 1):
            self._draw_lane(painter, lane, QRectF(0, lane * height, self.width(), height - theme.px(0.5)))
        self._draw_axis(painter)

    def _draw_lane(self, painter: QPainter, lane: int, area: QRectF) -> None:
        ink = theme.color(_ROLES[lane])
        heard = lane == self._heard
        gutter = self._gutter()
        painter.fillRect(
            QRectF(area.left(), area.top(), theme.px(1), area.height()), ink if heard else QColor(0, 0, 0, 0)
        )
        painter.setPen(ink if heard else theme.color("text_dim"))
        painter.setFont(theme.font("strong" if heard else "body"))
        line = QFontMetricsF(painter.font()).height()
        # The letter as well as the colour says which is which.
        painter.drawText(QPointF(theme.px(2), area.top() + line), f"{'AB'[lane]}  {LANES[lane]}")
        body = QRectF(gutter, area.top(), area.width() - gutter, area.height())
        wave = QRectF(body.left(), body.top(), body.width(), 0.34 * body.height())
        below = QRectF(body.left(), wave.bottom() + 1, body.width(), body.bottom() - wave.bottom() - 1)
        painter.fillRect(wave, theme.color("background"))
        painter.fillRect(below, theme.color("background"))
        overview = self._overviews[lane]
        if overview is None:
            painter.setFont(theme.font("body"))
            painter.setPen(theme.color("text_dim"))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(body.adjusted(theme.px(2), 0, -theme.px(2), 0), flags, self._words[lane])
            return
        painter.save()
        painter.setClipRect(body)
        painter.setOpacity(1.0 if heard else 0.7)
        self._draw_wave(painter, overview, wave, ink)
        image = _picture(overview, lane)
        left, right = self._x(overview.start_s), self._x(overview.end_s)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(left, below.top(), right - left, below.height()), image)
        painter.restore()
        self._draw_frequencies(painter, below)

    def _draw_wave(self, painter: QPainter, overview: Overview, area: QRectF, ink: QColor) -> None:
        left, right = self._x(overview.start_s), self._x(overview.end_s)
        columns = len(overview.peaks)
        xs = left + (np.arange(columns) + 0.5) * (right - left) / columns
        seen = np.flatnonzero((xs >= area.left() - 2) & (xs <= area.right() + 2))
        middle, half = area.center().y(), 0.5 * area.height() - 1
        upper = middle - np.clip(overview.peaks[:, 1], -1, 1) * half - 0.5
        lower = middle - np.clip(overview.peaks[:, 0], -1, 1) * half + 0.5
        there, back = (xs[seen], upper[seen]), (xs[seen[::-1]], lower[seen[::-1]])
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawPolygon(_polygon(np.concatenate((np.stack(there, 1), np.stack(back, 1)))))

    def _draw_frequencies(self, painter: QPainter, area: QRectF) -> None:
        painter.setFont(theme.font("small"))
        painter.setPen(theme.color("text_dim"))
        high = QFontMetricsF(painter.font()).height()
        if area.height() < 3 * high:
            return
        for hertz, word in ((100, "100 Hz"), (1000, "1 kHz"), (10_000, "10 kHz")):
            part = math.log(hertz / LOWEST_HZ) / math.log(HIGHEST_HZ / LOWEST_HZ)
            y = area.bottom() - part * area.height()
            painter.drawText(
                QRectF(0, y - high / 2, self._gutter() - theme.px(1.5), high),
                Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
                word,
            )
            painter.drawLine(QPointF(self._gutter() - theme.px(1), y), QPointF(self._gutter(), y))

    def _draw_axis(self, painter: QPainter) -> None:
        painter.setFont(theme.font("small"))
        painter.setPen(theme.color("text_dim"))
        metrics = QFontMetricsF(painter.font())
        width = self.width() - self._gutter()
        least = (self._end_s - self._start_s) * metrics.horizontalAdvance("0:00:00.00") * 1.4 / max(1, width)
        step = next((one for one in _AXIS_STEPS_S if one >= least), 7200)
        top = self._lanes_bottom()
        count = math.floor(self._end_s / step + 1e-6)
        for number in range(math.ceil(self._start_s / step - 1e-6), count + 1):
            at = number * step
            x = self._x(at)
            painter.drawLine(QPointF(x, top), QPointF(x, top + theme.px(1)))
            word = clock(at) if step >= 1 else f"{clock(at)}.{round(at % 1 * 100) % 100:02d}"
            left = min(x + theme.px(1), self.width() - metrics.horizontalAdvance(word) - 1)
            painter.drawText(QPointF(left, top + metrics.ascent() + theme.px(0.5)), word)

    # geometry

    def _gutter(self) -> int:
        return theme.px(19)

    def _lanes_bottom(self) -> float:
        return self.height() - theme.px(5)

    def _x(self, seconds: float) -> float:
        length = max(self._end_s - self._start_s, 1e-9)
        return self._gutter() + (seconds - self._start_s) / length * (self.width() - self._gutter())

    def _at(self, x: float) -> float:
        part = (x - self._gutter()) / max(1, self.width() - self._gutter())
        return self._start_s + part * (self._end_s - self._start_s)

    def _redraw(self) -> None:
        self._drawn = None
        self.update()

    # mouse and keys

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Put the cursor there."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton and self._seconds > 0:
            if event.position().x() < self._gutter():
                lane = 0 if event.position().y() < self._lanes_bottom() / 2 else 1
                if lane != self._heard:
                    self.other_pressed.emit()
            else:
                self._jump(self._at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Drag the cursor; it is heard from where it is let go."""
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton and self._seconds > 0:
            self.set_cursor(self._at(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Let go of the cursor."""
        if event is not None and event.position().x() >= self._gutter() and self._seconds > 0:
            at = self._at(event.position().x())
            if abs(self._x(at) - self._x(self._cursor_s)) > 1:
                self._jump(at)

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """Nearer and farther, or along."""
        if event is None or self._seconds <= 0:
            return
        turn = event.angleDelta()
        along = turn.x() or (turn.y() if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0)
        if along:
            shift = -along / 1200 * (self._end_s - self._start_s)
            self.show_stretch(self._start_s + shift, self._end_s + shift)
        else:
            self.zoom(0.8 ** (turn.y() / 120), self._at(event.position().x()))
        event.accept()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Move, zoom, play."""
        if event is None:
            return
        keys = Qt.Key
        far = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        by = 5.0 if far else 0.02 * (self._end_s - self._start_s)
        match event.key():
            case keys.Key_Left:
                self._jump(self._cursor_s - by)
            case keys.Key_Right:
                self._jump(self._cursor_s + by)
            case keys.Key_Home:
                self._jump(0.0)
            case keys.Key_End:
                self._jump(self._seconds)
            case keys.Key_Plus | keys.Key_Equal:
                self.zoom(0.5, self._cursor_s)
            case keys.Key_Minus:
                self.zoom(2.0, self._cursor_s)
            case keys.Key_0:
                self.show_stretch(0.0, self._seconds)
            case keys.Key_Space:
                self.play_pressed.emit()
            case keys.Key_X:
                self.other_pressed.emit()
            case _:
                super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Draw anew, and ask for as many columns as there are now."""
        self._redraw()
        self.stretch_changed.emit(self._start_s, self._end_s)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Draw anew when the scale or the font does."""
        self._redraw()
        super().changeEvent(event)

    def focusInEvent(self, event: object) -> None:  # noqa: N802
        """Show the ring."""
        self.update()

    def focusOutEvent(self, event: object) -> None:  # noqa: N802
        """Take the ring away."""
        self.update()

    def _jump(self, seconds: float) -> None:
        self.set_cursor(seconds)
        if not self._start_s <= self._cursor_s <= self._end_s:
            half = 0.5 * (self._end_s - self._start_s)
            self.show_stretch(self._cursor_s - half, self._cursor_s + half)
        self.jumped.emit(self._cursor_s)

    def zoom(self, factor: float, around_s: float | None = None) -> None:
        """Show `factor` times as much, around the cursor or another moment."""
        around_s = self._cursor_s if around_s is None else around_s
        if self._seconds > 0:
            self.show_stretch(
                around_s - (around_s - self._start_s) * factor, around_s + (self._end_s - around_s) * factor
            )


def _polygon(points: NDArray[np.float64]) -> QPolygonF:
    """Points (n, 2) as Qt has them, without an object of Python for each."""
    made = QPolygonF([QPointF()] * len(points))
    memory: Any = made.data()
    if len(points):
        memory.setsize(points.size * 8)
        memory.setwriteable(True)
        np.frombuffer(memory, np.float64).reshape(-1, 2)[:] = points
    return made


def _picture(overview: Overview, lane: int) -> QImage:
    """The spectrogram in the lane's colour, lowest band below."""
    levels = np.ascontiguousarray(overview.levels[::-1])
    columns = levels.shape[1]
    image = QImage(levels.tobytes(), columns, BANDS, columns, QImage.Format.Format_Indexed8).copy()
    now = theme.current()
    image.setColorTable(_colours(now.background, getattr(now, _ROLES[lane]), now.text))
    return image


@lru_cache(maxsize=8)
def _colours(quiet: str, middle: str, loud: str) -> list[int]:
    """256 steps: the background, the lane's colour at two thirds, towards the text's colour."""
    colours = [QColor(name).getRgb()[:3] for name in (quiet, middle, loud)]
    made = []
    for step in range(256):
        part = step / 255
        weight, at = (1.5 * part, 0) if part < 2 / 3 else (2.1 * (part - 2 / 3), 1)
        mixed = [round(a + (b - a) * weight) for a, b in zip(colours[at], colours[at + 1], strict=True)]
        made.append(QColor(*mixed).rgb())
    return made
