from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QWidget

from realtime.audio_file import write_audio

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory
    from gui.play.play_panel import PlayPanel

LONG_MS = 60_000


def click(widget: QWidget) -> None:
    """Press the left button in the middle of a widget."""
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton)  # type: ignore[call-overload]  # the stubs miss that it is static


def playing_model(bridge: Bridge) -> str:
    """The name of the model that sounds."""
    return bridge.state.running.model if bridge.state.running is not None else ""


def tone(path: Path, seconds: float, hz: float = 440.0) -> Path:
    """A file with a steady note of three partials."""
    times = np.arange(round(48000 * seconds)) / 48000
    sound = sum(0.2 / k * np.sin(2 * np.pi * hz * k * times) for k in (1, 2, 3))
    write_audio(path, np.asarray(sound, np.float32), 48000)
    return path


def heard_target(bridge: Bridge) -> str:
    """The strongest target of those that the session was given."""
    settings = bridge._session.settings
    weights = settings.controls.target if settings is not None else None
    return bridge.state.targets[int(np.argmax(weights))] if weights is not None else ""


@pytest.fixture
def voice(
    make_bridge: Callable[..., Bridge], jack_server: Callable[..., Any], memory: Memory, qtbot: QtBot
) -> Iterator[PlayPanel]:
    """The panel over a bridge that is to play `voice` on a real JACK server, power off."""
    from gui.play.play_panel import PlayPanel

    jack_server(period=128, sample_rate=48000)
    bridge = make_bridge("voice", input="loopback", output="loopback", output_channel=2, headphones=True)
    panel = PlayPanel(bridge, memory)
    qtbot.addWidget(panel)
    panel.resize(1180, 610)
    panel.show()
    bridge.set_watched(True)
    yield panel
    bridge.close()  # before the server ends: a sound card that is gone keeps an engine for seconds


def test_play_is_heard_seen_blended_recorded_and_played_back(
    voice: PlayPanel, tmp_path: Path, qtbot: QtBot, notices: list[Any]
) -> None:
    """Power, a note, meters, pitch, blend, a take in the list that is a valid file, and the take heard again."""
    bridge = voice._bridge
    click(voice.strip.power)
    assert voice.strip.words.text() == "Starting…"
    qtbot.waitUntil(lambda: voice.strip.words.text() == "You are playing", timeout=LONG_MS)
    assert voice.latency.bar.parts and "ms from your instrument" in voice.latency.total.text()
    running = bridge.state.running
    assert running is not None
    assert sum(ms for _, ms in voice.latency.bar.parts) == pytest.approx(running.latency.total_ms, abs=0.1)

    bridge.play_file(tone(tmp_path / "a.wav", 2.0), "input", loop=True)
    qtbot.waitUntil(lambda: voice.input.meter.levels.rms_db > -30, timeout=LONG_MS)
    qtbot.waitUntil(lambda: voice.output.meter.levels.rms_db > -60, timeout=LONG_MS)
    qtbot.waitUntil(lambda: voice.input.pitch.note == "A4", timeout=LONG_MS)
    assert abs(voice.input.pitch.cents) < 5
    qtbot.waitUntil(lambda: bool(voice.spectrogram._newest.max(initial=0)))
    voice.show_details("load")
    qtbot.waitUntil(lambda: "2.67 ms" in voice.load.deadline.text())

    names = bridge.state.targets
    QTest.keyClick(voice.model.blend.pad, "2")  # type: ignore[call-overload]  # the stubs miss that it is static
    assert names[int(np.argmax(bridge.controls.target or ()))] == "cello"
    qtbot.waitUntil(lambda: heard_target(bridge) == "cello")

    click(voice.record.record)
    qtbot.waitUntil(lambda: "Recording  0:01" in voice.record.time.text(), timeout=LONG_MS)
    assert voice.record.record.text() == "Stop"
    click(voice.record.record)
    qtbot.waitUntil(lambda: len(voice.record.model.takes) == 1, timeout=LONG_MS)
    take = voice.record.current()
    assert take is not None and not take.problem and take.recorded == "dry + wet"
    with soundfile.SoundFile(str(take.path)) as file:
        sound = file.read(dtype="float32", always_2d=True)
    assert sound.shape[1] >= 2 and np.abs(sound).max(axis=0).min() > 0.01

    bridge.stop_file()
    click(voice.record.play)
    assert voice.record.play.text() == "Stop"
    qtbot.waitUntil(lambda: voice.playback.seconds > 0.2, timeout=LONG_MS)
    qtbot.waitUntil(lambda: voice.playback.path is None, timeout=LONG_MS)
    assert voice.record.play.text() == "Play"
    # A busy machine may make the model late, which is said.
    assert [one for one in notices if one.severity != "info" and "missed" not in one.text] == []


def test_the_old_model_plays_until_the_new_one_is_in_and_a_bad_one_says_why(
    voice: PlayPanel, qtbot: QtBot, notices: list[Any], tmp_path: Path
) -> None:
    """A choice in the library changes the model that plays; one that cannot be loaded leaves it, with a sentence."""
    bridge = voice._bridge
    bridge.set_power(True)
    qtbot.waitUntil(lambda: bridge.state.power == "on", timeout=LONG_MS)
    qtbot.waitUntil(lambda: len(voice.library.entries) >= 3)
    voice.show_library()
    voice.library.search.setText("identity")
    qtbot.waitUntil(lambda: voice.library.facts.title.text() == "Identity")
    details: list[str] = []
    bridge.state_changed.connect(lambda _: details.append(voice.model.detail.text()))
    click(voice.library.facts.play)
    assert voice.pages.currentIndex() == 0
    qtbot.waitUntil(lambda: playing_model(bridge) == "identity", timeout=LONG_MS)
    assert any("Voice plays on until it is in" in text for text in details)
    qtbot.waitUntil(lambda: voice.model.title.text() == "Identity" and "plays on" not in voice.model.detail.text())
    assert not voice.model.blend.isVisible() and voice.model.large_picture.isVisible()

    (tmp_path / "nothing").mkdir()
    bridge.load_model(str(tmp_path / "nothing"))
    qtbot.waitUntil(lambda: any("manifest.json" in notice.text for notice in notices), timeout=LONG_MS)
    qtbot.waitUntil(lambda: bridge.state.settings.model == "identity")
    assert bridge.state.power == "on" and playing_model(bridge) == "identity"
    assert voice.notice.isVisible()


def test_a_preview_is_heard_while_the_power_is_off(voice: PlayPanel, qtbot: QtBot) -> None:
    """The golden sound of a package can be heard before anything is turned on, and stopped."""
    qtbot.waitUntil(lambda: len(voice.library.entries) >= 3)
    voice.show_library()
    voice.library.search.setText("voice")
    qtbot.waitUntil(lambda: voice.library.facts.title.text() == "Voice")
    click(voice.library.facts.after)
    qtbot.waitUntil(lambda: voice.library.facts.after.text() == "Stop", timeout=LONG_MS)
    qtbot.waitUntil(lambda: voice.playback.seconds > 0.1, timeout=LONG_MS)
    click(voice.library.facts.after)
    assert voice.library.facts.after.text() == "Hear what came out" and voice.playback.path is None
    qtbot.waitUntil(lambda: voice._bridge.state.power == "off", timeout=LONG_MS)


def test_a_measured_loop_is_told_beside_the_bar(voice: PlayPanel, qtbot: QtBot) -> None:
    """Measured through JACK's loopback, the latency stands beside the bar that the law adds up to."""
    bridge = voice._bridge
    bridge.change_stream(model="identity", output_channel=1)
    bridge.set_power(True)
    qtbot.waitUntil(lambda: bridge.state.power == "on", timeout=LONG_MS)
    voice.show_details("latency")
    click(voice.latency.measure)
    assert not voice.latency.measure.isEnabled()
    qtbot.waitUntil(lambda: voice.latency.measured.text().startswith("Measured:"), timeout=LONG_MS)
    assert "50 of 50 clicks" in voice.latency.measured.text()
    assert voice.latency.measure.isEnabled()
