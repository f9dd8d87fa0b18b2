"""A/B listening through a real engine on a JACK server, which loops its output back."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from PyQt6.QtTest import QTest

from gui.convert.job import Job

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge

RATE = 48_000
HANDS: Any = QTest  # its stubs take static methods for methods


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A finished job: half a minute of a tone, and of its octave as the result."""
    time = np.arange(30 * RATE) / RATE
    for name, hz in (("in.wav", 440.0), ("in (violin).wav", 880.0)):
        soundfile.write(tmp_path / name, 0.3 * np.sin(2 * np.pi * hz * time), RATE)
    return Job(tmp_path / "in.wav", seconds=30.0, state="done", result=tmp_path / "in (violin).wav")


def shown(qtbot: QtBot, bridge: Bridge, job: Job) -> Any:
    from PyQt6.QtWidgets import QVBoxLayout, QWidget

    from gui.convert.compare import Compare

    window = QWidget()
    window.resize(900, 320)
    compare = Compare(bridge)
    QVBoxLayout(window).addWidget(compare)
    qtbot.addWidget(window)
    qtbot.kept_window = window  # type: ignore[attr-defined]  # Qt deletes a window that Python has forgotten
    window.show()
    compare.show_job(job)
    qtbot.waitUntil(lambda: compare.drawn, timeout=10_000)
    return compare


def sounding_hz(bridge: Bridge) -> float:
    """The strongest frequency at the output now."""
    samples = bridge.meters.scope.latest(8192)[1]
    return float(np.abs(np.fft.rfft(samples * np.hanning(8192))).argmax() * RATE / 8192)


def test_pictures_of_both_lie_on_one_axis(qtbot: QtBot, quiet_bridge: Bridge, job: Job) -> None:
    """The same place of input and result is at the same x, and each shows its own tone in its own colour."""
    from gui import theme

    compare = shown(qtbot, quiet_bridge, job)
    view = compare.view
    assert view.stretch == (0.0, 30.0)
    first, second = (compare._whole[lane] for lane in (0, 1))
    assert (first.seconds, second.seconds) == (30.0, 30.0)
    brightest = [int(whole.levels[:, 200].argmax()) for whole in (first, second)]
    assert brightest[1] > brightest[0]
    picture = view.grab().toImage()
    colours = {picture.pixelColor(x, y).name() for x in range(200, 260) for y in range(0, picture.height(), 2)}
    assert theme.current().output in colours


def test_zooming_reads_the_stretch_anew_and_keeps_the_colours(qtbot: QtBot, quiet_bridge: Bridge, job: Job) -> None:
    """The wheel comes nearer around the mouse, finer peaks are read, and 0 shows the whole sound again."""
    from PyQt6.QtCore import Qt

    compare = shown(qtbot, quiet_bridge, job)
    compare.view.setFocus()
    compare.view.set_cursor(10.0)
    for _ in range(4):
        HANDS.keyClick(compare.view, Qt.Key.Key_Plus)
    start, end = compare.view.stretch
    assert end - start == pytest.approx(30.0 / 16)
    assert start < 10.0 < end
    qtbot.waitUntil(lambda: compare.view._overviews[1].start_s == pytest.approx(start), timeout=10_000)
    assert compare.view._overviews[1].loudest_db == compare._whole[1].loudest_db
    HANDS.keyClick(compare.view, Qt.Key.Key_0)
    assert compare.view.stretch == (0.0, 30.0)


def test_a_midi_file_has_only_a_result_to_hear(qtbot: QtBot, quiet_bridge: Bridge, job: Job) -> None:
    """Where the input is MIDI, the result alone is drawn and can be chosen, as long as it turned out to be."""
    job.source, job.seconds = job.source.with_suffix(".mid"), None
    compare = shown(qtbot, quiet_bridge, job)
    assert not compare.sides[0].isEnabled()
    compare.hear(0)
    assert compare.heard == 1
    assert compare.place.text() == "0:00 / 0:30"


def test_a_result_that_is_gone_is_a_sentence_in_its_lane(qtbot: QtBot, quiet_bridge: Bridge, job: Job) -> None:
    """What cannot be read says so where its picture would be."""
    assert job.result is not None
    job.result.unlink()
    from gui.convert.compare import Compare

    compare = Compare(quiet_bridge)
    qtbot.addWidget(compare)
    compare.show_job(job)
    qtbot.waitUntil(lambda: "cannot be shown" in compare.view._words[1], timeout=10_000)


def test_a_and_b_are_heard_from_the_same_moment_while_the_power_is_off(
    qtbot: QtBot, make_bridge: Callable[..., Bridge], jack_server: Callable[..., Any], job: Job, notices: list[Any]
) -> None:
    """Play, jump, switch and stop: the cursor follows the engine, and the other one goes on where the first was."""
    from PyQt6.QtCore import Qt

    jack_server(period=256, sample_rate=RATE)
    bridge = make_bridge(input="loopback", output="loopback", output_channel=2, headphones=True)
    compare = shown(qtbot, bridge, job)
    view = compare.view
    view.setFocus()
    assert compare.heard == 1
    HANDS.keyClick(view, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: view.cursor_s > 0.3, timeout=60_000)
    qtbot.waitUntil(lambda: sounding_hz(bridge) == pytest.approx(880.0, abs=6.0), timeout=20_000)
    x = round(view._x(15.0))
    HANDS.mouseClick(view, Qt.MouseButton.LeftButton, pos=view.rect().center().__class__(x, 40))
    assert view.cursor_s == pytest.approx(15.0, abs=0.05)
    qtbot.waitUntil(lambda: compare._came and view.cursor_s > 15.3, timeout=20_000)
    assert view.cursor_s < 20.0
    before = view.cursor_s
    HANDS.keyClick(view, Qt.Key.Key_X)
    assert (compare.heard, compare.playing) == (0, True)
    qtbot.waitUntil(lambda: compare._came and view.cursor_s > before + 0.3, timeout=20_000)
    assert view.cursor_s < before + 5.0
    qtbot.waitUntil(lambda: sounding_hz(bridge) == pytest.approx(440.0, abs=6.0), timeout=20_000)
    HANDS.keyClick(view, Qt.Key.Key_Space)
    assert not compare.playing
    stopped_at = view.cursor_s
    qtbot.waitUntil(lambda: math.isnan(bridge.snapshot().file_s) or bridge.state.power == "off", timeout=20_000)
    assert view.cursor_s == stopped_at
    view.set_cursor(29.5)
    HANDS.mouseClick(compare.play_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not compare.playing, timeout=60_000)
    assert view.cursor_s == 30.0
    assert not [notice for notice in notices if notice.severity != "info"]
