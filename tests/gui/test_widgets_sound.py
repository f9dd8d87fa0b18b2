from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QApplication

from gui.theme import color
from gui.widgets.frequency_axis import LogRows, hz_at, log_rows, part_of, spelt
from gui.widgets.live_spectrogram import COLUMNS_PER_S, LiveSpectrogram
from gui.widgets.peaks import Peaks
from gui.widgets.spectrogram import SpectrogramView
from gui.widgets.waveform import WaveformView

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PyQt6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

KEY, LEFT = Qt.Key, Qt.MouseButton.LeftButton
RATE = 48000


def tone(frequency_hz: float, seconds: float, rate_hz: float = RATE) -> NDArray[np.float32]:
    moments = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * moments)).astype(np.float32)


def shown(widget: QWidget, qtbot: QtBot) -> None:
    qtbot.addWidget(widget)
    widget.resize(480, 240)
    widget.show()
    qtbot.waitExposed(widget)


@pytest.fixture
def wave(qtbot: QtBot) -> WaveformView:
    """A view of four seconds of a tone."""
    view = WaveformView()
    shown(view, qtbot)
    view.set_sound(tone(220, 4.0), RATE, "Dry")
    return view


def turn(view: QWidget, x: int, notches: int, held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    at = QPointF(x, 20)
    event = QWheelEvent(
        at, QPointF(view.mapToGlobal(at.toPoint())), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton,
        held, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, event)


# the axis


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("frequency", [110.0, 440.0, 1500.0, 3300.0])
def test_a_tone_lies_at_its_frequency_at_any_rate(rate: int, frequency: float) -> None:
    """The loudest row of a tone is its own, to a row or a semitone, and rows above half the rate are empty."""
    rows = log_rows(float(rate), 200)
    levels = rows.levels(tone(frequency, rows.n_fft / rate, rate)[None])[0]
    found = hz_at(1 - (int(levels.argmax()) + 0.5) / 200)
    assert abs(12 * math.log2(found / frequency)) < 1.0
    empty = round(200 * (1 - min(1.0, part_of(rate / 2)))) - 1
    assert not levels[: max(0, empty)].any()


def test_levels_follow_loudness() -> None:
    """Ten times softer is 20 dB lower in the picture, silence is the floor, and what is no number does not harm."""
    rows = log_rows(48000.0, 180)
    sound = tone(1000, rows.n_fft / RATE)
    loud, soft = (rows.levels(sound[None] * gain)[0].max() for gain in (0.1, 0.01))
    assert (int(loud) - int(soft)) * (78 / 255) == pytest.approx(20, abs=0.7)
    assert not rows.levels(np.zeros((1, rows.n_fft), np.float32)).any()
    assert rows.levels(np.full((1, rows.n_fft), np.nan, np.float32)).shape == (1, 180)


def test_notes_are_spelt() -> None:
    """A frequency is told as note and hertz."""
    assert (spelt(440.0), spelt(32.703), spelt(4186.0)) == ("A4 · 440 Hz", "C1 · 33 Hz", "C8 · 4.19 kHz")


# waveforms


def test_peaks_are_exact_at_every_zoom() -> None:
    """Lowest and highest of a pixel are those of its samples, whether blocks or samples are read."""
    sound = np.random.default_rng(1).uniform(-1, 1, (2, 300_000)).astype(np.float32)
    peaks = Peaks(sound, RATE)
    coarse = peaks.outline(0.0, peaks.seconds, 100)
    assert coarse[0].min() == sound.min() and coarse[1].max() == sound.max()
    assert coarse[2] == pytest.approx(np.full(100, 1 / math.sqrt(3)), abs=0.02)
    fine = peaks.outline(1000 / RATE, 1100 / RATE, 100)
    assert fine[0] == pytest.approx(sound[:, 1000:1100].min(axis=0))
    assert fine[1] == pytest.approx(sound[:, 1000:1100].max(axis=0))
    assert not peaks.outline(100.0, 101.0, 10).any()
    assert not Peaks(np.zeros(0, np.float32), RATE).outline(0.0, 1.0, 10).any()


def test_a_long_sound_is_read_beside_the_window(qtbot: QtBot) -> None:
    """A sound of a minute in stereo appears without holding up the window, and a newer one replaces it."""
    view = WaveformView()
    shown(view, qtbot)
    view.set_sound(np.ones((2, RATE * 60), np.float32), RATE)
    assert view.reading
    view.set_sound(np.ones((2, RATE * 30), np.float32), RATE)
    qtbot.waitUntil(lambda: not view.reading)
    assert view.length_s() == 30.0


def test_a_wave_is_seen_where_it_sounds(wave: WaveformView) -> None:
    """A loud half is drawn in the input colour, a silent half is a line."""
    sound = tone(220, 4.0)
    sound[: sound.size // 2] = 0
    wave.set_sound(sound, RATE)
    image, ink = wave.grab().toImage(), color("input")
    counts = [
        sum(image.pixelColor(x, y) == ink for y in range(4, image.height() - 30)) for x in (100, image.width() - 100)
    ]
    assert counts[0] <= 2 and counts[1] > 20


def test_the_wheel_zooms_where_the_mouse_is(wave: WaveformView, qtbot: QtBot) -> None:
    """The second under the mouse stays under it; Shift pans; the view never leaves the sound."""
    told: list[tuple[float, float]] = []
    wave.view_changed.connect(lambda start, end: told.append((start, end)))
    at = wave.seconds_at(300)
    turn(wave, 300, 3)
    start, end = wave.view()
    assert end - start == pytest.approx(4 * 0.8**3)
    assert wave.seconds_at(300) == pytest.approx(at)
    turn(wave, 300, -2, Qt.KeyboardModifier.ShiftModifier)
    assert wave.view()[0] > start
    for _ in range(40):
        turn(wave, 300, -1)
    assert wave.view() == (0.0, 4.0)
    assert told and told[-1] == (0.0, 4.0)


def test_keys_zoom_and_pan(wave: WaveformView, qtbot: QtBot) -> None:
    """Plus and minus zoom, Page Down and arrows pan, 0, Home and End go where they say."""
    qtbot.keyClicks(wave, "+")
    assert wave.view() == pytest.approx((1.0, 3.0))
    qtbot.keyClick(wave, KEY.Key_PageDown)
    assert wave.view() == pytest.approx((2.0, 4.0))
    qtbot.keyClick(wave, KEY.Key_Left)
    assert wave.view() == pytest.approx((1.8, 3.8))
    qtbot.keyClick(wave, KEY.Key_Home)
    assert wave.view() == pytest.approx((0.0, 2.0))
    qtbot.keyClick(wave, KEY.Key_End)
    assert wave.view() == pytest.approx((2.0, 4.0))
    qtbot.keyClicks(wave, "-")
    qtbot.keyClicks(wave, "+0")
    assert wave.view() == (0.0, 4.0)


def test_a_click_brings_its_second_and_a_drag_pans(wave: WaveformView, qtbot: QtBot) -> None:
    """A click tells its second and a drag tells none; with a cursor the arrows tell where it would go."""
    told: list[float] = []
    wave.clicked.connect(told.append)
    qtbot.mouseClick(wave, LEFT, pos=QPoint(wave.width() // 4, 50))
    assert told == pytest.approx([1.0], abs=0.02)
    wave.set_view(0.0, 2.0)
    qtbot.mousePress(wave, LEFT, pos=QPoint(300, 50))
    qtbot.mouseMove(wave, QPoint(180, 50))
    qtbot.mouseRelease(wave, LEFT, pos=QPoint(180, 50))
    assert wave.view()[0] == pytest.approx(0.5, abs=0.01) and len(told) == 1
    wave.set_cursor(1.0)
    qtbot.keyClick(wave, KEY.Key_Right)
    assert told[-1] == pytest.approx(1.04)


def test_marks_and_cursor_are_seen_and_told(wave: WaveformView) -> None:
    """A mark colours its stretch and is told to screen readers; a cursor is a line; one out of sight draws nothing."""
    wave.set_marks([(1.0, 1.5, "too quiet")])
    assert "1.0 to 1.5 s: too quiet" in wave.accessibleDescription()
    image = wave.grab().toImage()
    assert image.pixelColor(round(wave.x_of(1.0)), 60) == color("warn")
    wave.set_cursor(3.0)
    assert wave.grab().toImage().pixelColor(round(wave.x_of(3.0)), 60) == color("text")
    wave.set_view(0.0, 1e-3)
    wave.set_cursor(3.5)
    wave.set_cursor(math.nan)
    wave.clear()
    assert wave.length_s() == 0.0 and wave.marks() == ()


def test_two_sounds_share_the_time(wave: WaveformView, qtbot: QtBot) -> None:
    """A second sound is drawn below in the output colour, and the view is as long as the longer."""
    wave.set_second(tone(220, 6.0), RATE, "Wet")
    assert wave.length_s() == 6.0
    image, ink = wave.grab().toImage(), color("output")
    rows = [y for y in range(image.height()) for x in (200, 201, 202) if image.pixelColor(x, y) == ink]
    assert rows and min(rows) > image.height() // 3
    wave.set_second(None, RATE)
    assert wave.length_s() == 4.0


def test_a_waveform_can_stand_beside_a_spectrogram(qtbot: QtBot) -> None:
    """Asked for, its seconds lie at the same pixels as those of a spectrogram of the same width."""
    wave, spectrogram = WaveformView(beside_spectrogram=True), SpectrogramView()
    for view in (wave, spectrogram):
        shown(view, qtbot)
        view.set_sound(tone(220, 2.0), RATE)
    assert wave.x_of(0.7) == spectrogram.x_of(0.7)


# spectrograms


def test_a_spectrogram_shows_its_tone(qtbot: QtBot) -> None:
    """The brightest row is the tone's, also after a zoom and when a channel more is given."""
    view = SpectrogramView()
    shown(view, qtbot)
    for sound in (tone(880, 3.0), np.stack([tone(880, 3.0)] * 2)):
        view.set_sound(sound, RATE)
        qtbot.waitUntil(lambda: not view.reading)
        view.set_view(1.0, 1.5)
        qtbot.waitUntil(lambda: not view.reading)
        image, place = view.grab().toImage(), view.plot()
        column = [image.pixelColor(place.center().x(), y).lightness() for y in range(place.top(), place.bottom() - 30)]
        part = 1 - (int(np.argmax(column)) + 0.5) / place.height()
        assert abs(12 * math.log2(hz_at(part) / 880)) < 1.5
    view.clear()
    assert view.length_s() == 0.0


def watch(monkeypatch: pytest.MonkeyPatch, windows: list[int]) -> None:
    """Note how many windows each computation is asked for."""
    compute = LogRows.levels

    def counted(self: LogRows, asked: NDArray[np.float32]) -> NDArray[np.uint8]:
        windows.append(int(np.prod(asked.shape[:-1])))
        return compute(self, asked)

    monkeypatch.setattr(LogRows, "levels", counted)


def levels(view: LiveSpectrogram, lane: int) -> NDArray[np.uint32]:
    """The lane's pixels, oldest column first."""
    return np.roll(view._ring[lane], -view._next, axis=1)


def test_live_lanes_show_what_comes_and_goes(qtbot: QtBot) -> None:
    """Input is above, output below; columns come at their own pace whatever the pieces; the newest is at the right."""
    view = LiveSpectrogram()
    shown(view, qtbot)
    sound = np.stack((tone(220, 1.0), tone(1760, 1.0)))
    begin = 0
    for size in np.random.default_rng(4).integers(1, 3000, 1000):
        view.push(sound[:, begin : begin + size], RATE)
        begin += size
        if begin >= RATE:
            break
    heard = view.spoken()
    assert heard.startswith("Input: A3") and "Output: A6" in heard
    for lane in range(2):
        pixels = levels(view, lane)
        empty = (pixels == pixels[0, 0]).all(axis=0)
        assert abs(int((~empty).sum()) - COLUMNS_PER_S) <= 2
        assert not empty[-1] and empty[0]
    view.clear()
    assert view.spoken() == "Input: silent; Output: silent"


def test_a_live_picture_does_not_depend_on_its_pieces(qtbot: QtBot) -> None:
    """The same sound in other pieces gives the same picture."""
    sound = np.stack((tone(220, 0.5), np.random.default_rng(5).normal(0, 0.1, RATE // 2).astype(np.float32)))
    pictures = []
    for size in (1600, 480):
        view = LiveSpectrogram()
        shown(view, qtbot)
        for begin in range(0, RATE // 2, size):
            view.push(sound[:, begin : begin + size], RATE)
        pictures.append(view._ring.copy())
    assert np.array_equal(pictures[0], pictures[1])


def test_a_hidden_live_picture_computes_nothing(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is hidden nothing is computed, and shown again it goes on at once, without the gap."""
    view = LiveSpectrogram()
    shown(view, qtbot)
    calls: list[int] = []
    watch(monkeypatch, calls)
    sound = np.stack((tone(220, 0.2), tone(220, 0.2)))
    view.hide()
    for _ in range(20):
        view.push(sound, RATE)
    assert calls == []
    view.show()
    view.push(sound, RATE)
    assert calls


def test_a_live_picture_survives_other_rates_and_bad_numbers(qtbot: QtBot) -> None:
    """A change of rate, of size or of theme, an empty push and samples that are no numbers do no harm."""
    view = LiveSpectrogram()
    shown(view, qtbot)
    for rate in (48000, 44100, 96000, 8000):
        view.push(np.stack((tone(440, 0.3, rate),) * 2), rate)
        assert view.spoken().split(" ·")[0] in {"Input: A4", "Input: A♯4"}  # a row is a semitone here
        view.resize(view.width() + 7, view.height() + 3)
    view.push(np.zeros((2, 0), np.float32), 8000)
    view.push(np.full((2, 4000), np.nan, np.float32), 8000)
    assert not view.grab().isNull()


def test_a_live_frame_computes_only_what_is_new(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thirtieth of a second costs two windows a lane, and painting scales nothing."""
    view = LiveSpectrogram()
    shown(view, qtbot)
    view.push(np.stack((tone(220, 0.2),) * 2), RATE)
    windows: list[int] = []
    watch(monkeypatch, windows)
    for _ in range(30):
        view.push(np.stack((tone(220, 1 / 30),) * 2), RATE)
        view.repaint()
    assert sum(windows) == 2 * COLUMNS_PER_S
    assert view._heard.shape[1] <= 4096 + 13 * RATE // COLUMNS_PER_S
    assert view._ring.shape[2] >= view._lane(0).width()
    assert view._images[0].devicePixelRatio() == view.devicePixelRatioF()
