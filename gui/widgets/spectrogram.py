"""A whole sound as its spectrogram, on the frequency axis that all spectrograms share. GUI thread; computed in a pool.

What is seen is computed for the pixels that show it, again after each zoom, so that it is sharp at every scale and an
hour costs no more than a second; until then the last picture is stretched. Zoom, pan, cursor and marks as in
`gui.widgets.time_view`. The live one is `LiveSpectrogram`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QRect, QRectF, Qt, QTimer
from PyQt6.QtGui import QImage, QPainter, QPen, QResizeEvent
from PyQt6.QtWidgets import QWidget

from gui import theme
from gui.widgets.background_call import BackgroundCall
from gui.widgets.colour_ramp import shades
from gui.widgets.frequency_axis import AXIS_UNITS, log_rows, octave_marks
from gui.widgets.live_spectrogram import LiveSpectrogram
from gui.widgets.time_view import TimeView

__all__ = ["LiveSpectrogram", "SpectrogramView"]

_SETTLE_MS: Final = 40
_AT_ONCE: Final = 64  # columns


class SpectrogramView(TimeView):
    """`set_sound(samples, rate_hz)` with samples (n,), or (channels, n), whose mean is shown."""

    def __init__(self, parent: QWidget | None = None, *, colour_role: str = "input") -> None:
        """colour_role: "input" or "output"."""
        super().__init__("Spectrogram", parent)
        self._colour_role, self._text = colour_role, ""
        self._sound: NDArray[np.float32] | None = None
        self._rate_hz = 0.0
        self._levels: NDArray[np.uint8] | None = None
        self._image: QImage | None = None
        self._image_view = (0.0, 0.0)
        self._call = BackgroundCall(self)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(_SETTLE_MS)
        self._settle.timeout.connect(self._compute)

    def set_sound(self, samples: Any, rate_hz: float, text: str = "") -> None:
        """Show a sound, all of it; text: its name in the picture. None shows nothing."""
        self._call.drop()
        self._image = self._levels = None
        self._sound, self._rate_hz, self._text = None if samples is None else np.asarray(samples), float(rate_hz), text
        self.set_length(0.0 if self._sound is None else self._sound.shape[-1] / max(self._rate_hz, 1e-9))

    def clear(self) -> None:
        """Show nothing."""
        self.set_marks(())
        self.set_sound(None, 0.0)

    @property
    def reading(self) -> bool:
        """Whether a sharper picture is on its way."""
        return self._call.busy or self._settle.isActive()

    def plot(self) -> QRect:
        """Beside the frequency axis."""
        return super().plot().adjusted(theme.px(AXIS_UNITS), 0, 0, 0)

    def view_moved(self) -> None:
        """Compute what is seen now, once it stands still."""
        if self._sound is not None and self._sound.size:
            self._settle.start()

    def dress(self) -> None:
        """The same levels in other colours."""
        self._colour()
        super().dress()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Other pixels."""
        super().resizeEvent(event)
        self.view_moved()

    def _compute(self) -> None:
        place, ratio = self.plot(), self.devicePixelRatioF()
        sound, rate, view = self._sound, self._rate_hz, self.view()
        width, height = max(1, round(place.width() * ratio)), max(2, round(place.height() * ratio))
        if sound is not None:
            self._call.start(lambda: (_levels(sound, rate, view, width, height), view), self._show)

    def _show(self, made: tuple[NDArray[np.uint8], tuple[float, float]]) -> None:
        self._levels, self._image_view = made
        self._colour()
        self.update()

    def _colour(self) -> None:
        if self._levels is None:
            return
        now = theme.current()
        pixels = np.ascontiguousarray(shades(now.name, now.background, getattr(now, self._colour_role))[self._levels.T])
        height, width = pixels.shape
        self._image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGB32).copy()

    def paint_sound(self, painter: QPainter, place: QRect) -> None:
        """The picture where its seconds are, lines at each C, the name."""
        if self._image is not None:
            left, right = (self.x_of(second) for second in self._image_view)
            sharp = self._image_view == self.view()
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not sharp)
            painter.drawImage(QRectF(left, place.top(), right - left, place.height()), self._image)
        painter.setFont(theme.font("small"))
        high = painter.fontMetrics().height()
        each = 1 if place.height() / 9 > high * 1.3 else 2 if place.height() / 9 > high * 0.65 else 4
        painter.setClipping(False)
        for k, (part, name) in enumerate(octave_marks()[1:-1], 1):
            y = round(place.bottom() - part * place.height())
            painter.setPen(QPen(theme.color("text", 0.14), 1))
            painter.drawLine(place.left(), y, place.right(), y)
            if k % each == 0:
                painter.setPen(theme.color("text_dim"))
                box = QRect(0, y - high // 2, place.left() - theme.px(1), high)
                painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, name)
        if self._text:
            wide = painter.fontMetrics().horizontalAdvance(self._text) + theme.px(2)
            chip = QRect(place.left() + theme.px(1), place.top() + theme.px(1), wide, theme.px(4.5))
            painter.fillRect(chip, theme.color("background", 0.85))
            painter.setPen(theme.color(self._colour_role))
            painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, self._text)


def _levels(
    sound: NDArray[np.float32], rate_hz: float, view: tuple[float, float], width: int, height: int
) -> NDArray[np.uint8]:
    """(width, height): levels of windows centred on each column's second; pool thread."""
    rows = log_rows(rate_hz, height)
    centres = (view[0] + (np.arange(width) + 0.5) / width * (view[1] - view[0])) * rate_hz
    starts = np.round(centres).astype(np.int64) - rows.n_fft // 2
    found = np.zeros((width, height), dtype=np.uint8)
    windows = np.zeros((min(_AT_ONCE, width), rows.n_fft), dtype=np.float32)
    for begin in range(0, width, _AT_ONCE):
        some = starts[begin : begin + _AT_ONCE]
        for window, start in zip(windows, some, strict=False):
            part = sound[..., max(0, start) : max(0, start + rows.n_fft)]
            window[:] = 0.0
            skipped = max(0, -int(start))
            window[skipped : skipped + part.shape[-1]] = part if part.ndim == 1 else part.mean(axis=0)
        found[begin : begin + some.size] = rows.levels(windows[: some.size])
    return found
