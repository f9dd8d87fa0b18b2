"""A sound as its outline, and a second one below it on the same time axis. GUI thread; long sounds are read in a pool.

    Dry   ▁▃▅▇▅▃▁▁▃▅▇        light: from the lowest to the highest sample of a pixel;  full: RMS
    Wet   ▂▄▆█▆▄▂▂▄▆█
    0 s        1 s        2 s

Zoom, pan, cursor and marks as in `gui.widgets.time_view`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QLineF, QRect, Qt
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtWidgets import QWidget

from gui import theme
from gui.widgets.background_call import BackgroundCall
from gui.widgets.frequency_axis import AXIS_UNITS
from gui.widgets.peaks import Peaks
from gui.widgets.time_view import TimeView

_QUICK_SAMPLES: Final = 1 << 19  # below this reading takes less than a frame


class WaveformView(TimeView):
    """`set_sound(samples, rate_hz)` with samples (n,) or (channels, n)."""

    def __init__(self, parent: QWidget | None = None, *, beside_spectrogram: bool = False) -> None:
        """beside_spectrogram: begin where a `SpectrogramView` of the same width begins, so that seconds are aligned."""
        super().__init__("Waveform", parent)
        self._beside = beside_spectrogram
        self._pictures: dict[str, tuple[object, QImage]] = {}
        self._sounds: list[tuple[Peaks, str] | None] = [None, None]
        self._calls = (BackgroundCall(self), BackgroundCall(self))

    def set_sound(self, samples: Any, rate_hz: float, text: str = "") -> None:
        """Show a sound, all of it; text: its name in the picture. None as samples shows nothing."""
        self._set(0, samples, rate_hz, text)

    def set_second(self, samples: Any, rate_hz: float, text: str = "") -> None:
        """Another sound below, on the same time axis; None takes it away."""
        self._set(1, samples, rate_hz, text)

    def clear(self) -> None:
        """Show nothing."""
        for call in self._calls:
            call.drop()
        self._sounds = [None, None]
        self.set_marks(())
        self.set_length(0.0)

    @property
    def reading(self) -> bool:
        """Whether a long sound is still being read."""
        return any(call.busy for call in self._calls)

    def _set(self, lane: int, samples: Any, rate_hz: float, text: str) -> None:
        self._calls[lane].drop()
        if samples is None:
            self._shown(lane, None)
            return
        sound: NDArray[np.float32] = np.asarray(samples)
        if sound.size <= _QUICK_SAMPLES:
            self._shown(lane, (Peaks(sound, rate_hz), text))
        else:
            self._shown(lane, None)
            self._calls[lane].start(lambda: (Peaks(sound, rate_hz), text), lambda made: self._shown(lane, made))
            self.update()

    def _shown(self, lane: int, sound: tuple[Peaks, str] | None) -> None:
        self._sounds[lane] = sound
        self._pictures.clear()
        length = max((peaks.seconds for peaks, _ in filter(None, self._sounds)), default=0.0)
        if length != self.length_s() or (lane == 0 and sound is not None):
            self.set_length(length)
        self.update()

    def plot(self) -> QRect:
        """All but the time axis and, if asked for, the place of a frequency axis."""
        return super().plot().adjusted(theme.px(AXIS_UNITS) if self._beside else 0, 0, 0, 0)

    def paint_sound(self, painter: QPainter, place: QRect) -> None:
        """One lane a sound."""
        lanes = [(lane, sound) for lane, sound in enumerate(self._sounds) if sound is not None]
        for k, (lane, (peaks, text)) in enumerate(lanes):
            top = place.top() + place.height() * k // len(lanes)
            bottom = place.top() + place.height() * (k + 1) // len(lanes)
            own = QRect(place.left(), top, place.width(), bottom - top - (1 if k + 1 < len(lanes) else 0))
            self._paint_lane(painter, own, peaks, ("input", "output")[lane], text)

    def _paint_lane(self, painter: QPainter, place: QRect, peaks: Peaks, token: str, text: str) -> None:
        middle, ratio = place.center().y() + 0.5, self.devicePixelRatioF()
        made_for = (id(peaks), self.view(), place.size(), ratio, theme.current().name)
        kept = self._pictures.get(token)
        if kept is None or kept[0] != made_for:  # a cursor that moves asks for the same picture again and again
            outline = np.nan_to_num(peaks.outline(*self.view(), max(1, round(place.width() * ratio))))
            picture = _picture(np.clip(outline, -1, 1), round(place.height() * ratio), token, ratio)
            kept = self._pictures[token] = (made_for, picture)
        painter.drawImage(place.topLeft(), kept[1])
        painter.setPen(theme.color("border", 0.6))
        painter.drawLine(QLineF(place.left(), middle, place.right(), middle))
        painter.fillRect(QRect(place.left(), place.bottom() + 1, place.width(), 1), theme.color("line"))
        if text:
            painter.setFont(theme.font("small"))
            size = painter.fontMetrics().size(0, text)
            box = QRect(
                place.left() + theme.px(1), place.top() + theme.px(1), size.width() + theme.px(2), theme.px(4.5)
            )
            painter.fillRect(box, theme.color("background", 0.85))
            painter.setPen(theme.color(token))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def _picture(outline: NDArray[np.float32], height: int, token: str, ratio: float) -> QImage:
    """The outline as pixels: every column light from low to high, full within RMS."""
    width, height = outline.shape[1], max(2, height)
    rows = (height / 2 - np.arange(height)[:, None] - 0.5) / (height / 2 - 2)
    half = 0.75 / (height / 2 - 2)  # a line of one pixel at least
    low, high, rms = outline
    low[1:], high[1:] = np.minimum(low[1:], high[:-1]), np.maximum(high[1:], low[:-1])  # no gap between two columns
    body = np.minimum(rms, np.maximum(high, -low))
    colours = [theme.color("background").rgb(), _mixed(token, 0.5), theme.color(token).rgb()]
    shade = ((rows <= high + half) & (rows >= low - half)).astype(np.uint8)
    shade[(np.abs(rows) <= body) & (shade > 0)] = 2
    pixels = np.array(colours, dtype=np.uint32)[shade]
    image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGB32).copy()
    image.setDevicePixelRatio(ratio)
    return image


def _mixed(token: str, part: float) -> int:
    one, other = theme.color("background"), theme.color(token)
    channels = [
        round(a + (b - a) * part)
        for a, b in ((one.red(), other.red()), (one.green(), other.green()), (one.blue(), other.blue()))
    ]
    return 0xFF000000 | channels[0] << 16 | channels[1] << 8 | channels[2]
