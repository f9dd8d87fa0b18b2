"""The newest seconds of input above output as spectrograms, on one frequency axis, moving to the left. GUI thread.

    C6 │ Input
    C4 │▒▒▓▓▒▒░░        60 columns a second; each is written once into a ring of pixels, and painting copies the ring
    C2 │                in two pieces: nothing is computed twice, nothing is scaled
    C6 │ Output
    C4 │ ▒▒▓▓▒▒░
    C2 │________ now

`push` brings whatever is new (30 times a second is plenty). Hidden it keeps the newest samples and computes nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PyQt6 import sip
from PyQt6.QtCore import QEvent, QPoint, QRect, QSize, Qt
from PyQt6.QtGui import (
    QFocusEvent,
    QFontMetrics,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PyQt6.QtWidgets import QSizePolicy, QWidget

from gui import theme
from gui.widgets.colour_ramp import shades
from gui.widgets.frequency_axis import AXIS_UNITS, LogRows, hz_at, log_rows, octave_marks, spelt

COLUMNS_PER_S: Final = 60
_MOST_COLUMNS: Final = 12  # in one push; of what came late only the newest is shown
_LANES: Final = (("Input", "input"), ("Output", "output"))


class LiveSpectrogram(QWidget):
    """`push((2, samples), rate_hz)`: input and output of the same moments."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Empty."""
        super().__init__(parent)
        self._rate_hz = 0.0
        self._rows: LogRows | None = None
        self._heard = np.zeros((2, 0), dtype=np.float32)  # one window and what has no column yet
        self._due = 0.0  # samples until the next column
        self._ring = np.zeros((2, 0, 0), dtype=np.uint32)
        self._images: list[QImage] = []
        self._next = 0  # the column of the ring that is written next, the oldest
        self._newest = np.zeros((2, 0), dtype=np.uint8)
        self._axis: QPixmap | None = None
        self._chips: list[QPixmap] = []
        self._under: QPoint | None = None
        self.setAccessibleName("Spectrogram of input and output")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme.notifier.changed.connect(self._dress)

    # -- the sound -----------------------------------------------------------------------------------------------

    def push(self, samples: NDArray[np.float32], rate_hz: float) -> None:
        """The newest samples, (2, n): input, output."""
        if rate_hz <= 0 or not samples.shape[-1]:
            return
        if rate_hz != self._rate_hz:
            self._rate_hz, self._rows, self._due = float(rate_hz), None, 0.0
            self._heard = np.zeros((2, 0), dtype=np.float32)
        if not self._ring.size:
            self._make_ring()
        rows = self._rows = self._rows or (log_rows(self._rate_hz, self._ring.shape[1]) if self._ring.size else None)
        longest = (rows.n_fft if rows else 0) + int(_MOST_COLUMNS * self._hop()) + 1
        if not self.isVisible() or rows is None:
            self._heard, self._due = samples[:, -longest:].astype(np.float32), 0.0
            return
        if not self._heard.shape[1]:
            self._heard = np.zeros((2, rows.n_fft), dtype=np.float32)  # before its first sample a stream is silence
        self._heard = np.concatenate((self._heard, samples), axis=1, dtype=np.float32)
        ends = self._column_ends(samples.shape[1])
        if ends.size:
            windows = np.lib.stride_tricks.sliding_window_view(self._heard, rows.n_fft, axis=1)
            self._write(rows.levels(windows[:, ends - rows.n_fft]))
        if self._heard.shape[1] > longest:
            self._heard = self._heard[:, -longest:].copy()

    def clear(self) -> None:
        """Nothing was heard."""
        self._heard, self._due = np.zeros((2, 0), dtype=np.float32), 0.0
        self._newest = np.zeros((2, 0), dtype=np.uint8)
        self._make_ring()
        self.update()

    def _hop(self) -> float:
        return self._rate_hz / COLUMNS_PER_S

    def _column_ends(self, came: int) -> NDArray[np.int64]:
        """Where in `_heard` the windows of the new columns end."""
        assert self._rows is not None
        hop, begin = self._hop(), self._heard.shape[1] - came
        count = int(np.floor((came - self._due) / hop)) + 1 if came >= self._due else 0
        ends = begin + np.round(self._due + hop * np.arange(count)).astype(np.int64)
        self._due += hop * count - came
        ends = ends[-_MOST_COLUMNS:]
        return np.asarray(ends[ends >= self._rows.n_fft])

    def _write(self, levels: NDArray[np.uint8]) -> None:
        """(2, columns, rows) into the ring, as wide as the screen's pixels ask."""
        wide, width = self._column_width(), self._ring.shape[2]
        columns = levels.shape[1] * wide
        places = (self._next + np.arange(columns)) % width
        for lane, (_, token) in enumerate(_LANES):
            pixels = _shades(token)[levels[lane]]
            self._ring[lane][:, places] = np.repeat(pixels, wide, axis=0).T[:, -width:]
        self._next = (self._next + columns) % width
        self._newest = levels[:, -1]
        for lane in range(2):
            self.update(self._lane(lane))

    def _column_width(self) -> int:
        return max(1, round(self.devicePixelRatioF()))

    # -- where things are ----------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ten seconds."""
        return QSize(theme.px(160), theme.px(70))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """As small as notes can be told apart."""
        return QSize(theme.px(60), theme.px(40))

    def _lane(self, lane: int) -> QRect:
        left, gap = theme.px(AXIS_UNITS), theme.px(1)
        height = max(1, (self.height() - gap) // 2)
        return QRect(left, lane * (height + gap), max(1, self.width() - left), height)

    def _make_ring(self) -> None:
        lane, ratio = self._lane(0), self.devicePixelRatioF()
        height, width = max(1, round(lane.height() * ratio)), max(_MOST_COLUMNS * 4, round(lane.width() * ratio))
        rings = [np.full((height, width), _shades(token)[0]) for _, token in _LANES]
        self._ring = np.stack(rings)
        self._images = []
        for pixels in self._ring:
            memory = sip.voidptr(pixels.ctypes.data, pixels.nbytes)  # no copy: the ring keeps it alive
            image = QImage(memory, width, height, 4 * width, QImage.Format.Format_RGB32)  # type: ignore[call-overload]
            image.setDevicePixelRatio(ratio)
            self._images.append(image)
        self._next, self._rows = 0, None

    # -- the picture ---------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Axis, the two lanes from their rings, lines at each C, names, and the frequency under the mouse."""
        assert event is not None
        painter = QPainter(self)
        ratio = self.devicePixelRatioF()
        if not self._ring.size or (self._images and self._images[0].devicePixelRatio() != ratio):
            self._make_ring()
        if self._axis is None or self._axis.devicePixelRatio() != ratio:
            self._axis = self._drawn_axis(ratio)
        if event.rect().left() < self._lane(0).left():
            painter.drawPixmap(0, 0, self._axis)
        for lane in range(2):  # between the lanes, and below where the height is odd
            below = QRect(self._lane(lane).left(), self._lane(lane).bottom() + 1, self.width(), theme.px(1) + 1)
            painter.fillRect(below, theme.color("background"))
        for lane in range(2):
            self._paint_lane(painter, lane, ratio)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("focus"), 2))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))

    def _paint_lane(self, painter: QPainter, lane: int, ratio: float) -> None:
        place, image, split = self._lane(lane), self._images[lane], self._next
        width, height = image.width(), image.height()
        old = QRect(split, 0, width - split, height)
        left = place.right() + 1 - width / ratio
        painter.setClipRect(place)
        if not old.isEmpty():
            painter.drawImage(QPoint(round(left), place.top()), image, old)
        if split:
            painter.drawImage(QPoint(round(left + old.width() / ratio), place.top()), image, QRect(0, 0, split, height))
        painter.setPen(QPen(theme.color("text", 0.14), 1))
        for part, _ in octave_marks()[1:-1]:
            y = round(place.bottom() - part * place.height())
            painter.drawLine(place.left(), y, place.right(), y)
        chip = self._chip(lane, ratio)
        painter.drawPixmap(place.left() + theme.px(1), place.top() + theme.px(1), chip)
        if self._under is not None and place.contains(self._under):
            part = (place.bottom() + 0.5 - self._under.y()) / place.height()
            painter.setPen(QPen(theme.color("text", 0.6), 1))
            painter.drawLine(place.left(), self._under.y(), place.right(), self._under.y())
            words = spelt(hz_at(part))
            painter.setFont(theme.font("small"))
            room = painter.fontMetrics().horizontalAdvance(words) + theme.px(3)
            y = min(max(self._under.y() - theme.px(6), place.top()), place.bottom() - theme.px(5))
            _paint_chip(painter, QPoint(place.right() - room, y), words, "text")
        painter.setClipping(False)

    def _chip(self, lane: int, ratio: float) -> QPixmap:
        """The lane's name, drawn once: writing costs more than all the rest of a picture."""
        if not self._chips or self._chips[0].devicePixelRatio() != ratio:
            self._chips = [_drawn_chip(name, token, ratio) for name, token in _LANES]
        return self._chips[lane]

    def _drawn_axis(self, ratio: float) -> QPixmap:
        picture = QPixmap(round(self._lane(0).left() * ratio), max(1, round(self.height() * ratio)))
        picture.setDevicePixelRatio(ratio)
        picture.fill(theme.color("background"))
        painter = QPainter(picture)
        painter.setFont(theme.font("small"))
        painter.setPen(theme.color("text_dim"))
        high = painter.fontMetrics().height()
        for lane in range(2):
            place = self._lane(lane)
            each = 1 if place.height() / 9 > high * 1.3 else 2 if place.height() / 9 > high * 0.65 else 4
            for part, name in octave_marks()[1:-1][each - 1 :: each]:
                y = round(place.bottom() - part * place.height())
                box = QRect(0, y - high // 2, place.left() - theme.px(1), high)
                painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, name)
        painter.end()
        return picture

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """A new ring; the past is not stretched."""
        super().resizeEvent(event)
        self._dress()

    def _dress(self) -> None:
        self._axis, self._chips = None, []
        self._make_ring()
        self.update()

    # -- under the mouse, and in words ---------------------------------------------------------------------------

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Show the frequency there."""
        assert event is not None
        self._under = event.position().toPoint()
        self.update()

    def leaveEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Show none."""
        self._under = None
        self.update()

    def focusInEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """Say what sounds."""
        self.setAccessibleDescription(self.spoken())
        super().focusInEvent(event)

    def spoken(self) -> str:
        """The strongest frequency of each lane, in words."""
        words = []
        for lane, (name, _) in enumerate(_LANES):
            levels = self._newest[lane]
            if not levels.size or not levels.max():
                words.append(f"{name}: silent")
            else:
                words.append(f"{name}: {spelt(hz_at(1.0 - (int(levels.argmax()) + 0.5) / levels.size))}")
        return "; ".join(words)


def _shades(token: str) -> NDArray[np.uint32]:
    now = theme.current()
    return shades(now.name, now.background, getattr(now, token))


def _drawn_chip(words: str, token: str, ratio: float) -> QPixmap:
    size = QSize(QFontMetrics(theme.font("small")).horizontalAdvance(words) + theme.px(2), theme.px(4.5))
    picture = QPixmap(round(size.width() * ratio), round(size.height() * ratio))
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setFont(theme.font("small"))
    _paint_chip(painter, QPoint(), words, token)
    painter.end()
    return picture


def _paint_chip(painter: QPainter, at: QPoint, words: str, token: str) -> None:
    """Words on a darkened ground, in the painter's font."""
    size = painter.fontMetrics().size(0, words)
    box = QRect(at, QSize(size.width() + theme.px(2), theme.px(4.5)))
    painter.fillRect(box, theme.color("background", 0.85))
    painter.setPen(theme.color(token))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)
