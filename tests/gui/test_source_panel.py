"""The Source panel without an engine: what it shows of devices, MIDI and files, and what it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from gui.live_state import Notice
from gui.source.source_panel import SourcePanel
from realtime.audio_io import Device
from realtime.device_watch import Hardware
from realtime.midi.midi_map import Binding, MidiMap
from realtime.midi.source import SourceSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory

hand: Any = QTest  # its stubs take functions for methods
EXAMPLES = Path(__file__).resolve().parents[2] / "realtime" / "examples"
CARD = Device("Scarlett 2i2", "ALSA", 2, 2, 48_000, 3.0, 5.0, True, True, 0)
LAPTOP = Device("Built-in Audio", "ALSA", 1, 2, 48_000, 8.0, 8.0, False, False, 1)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often devices were asked for; the test answers itself."""
    from gui.bridge import Bridge

    times: list[int] = []
    monkeypatch.setattr(Bridge, "refresh_devices", lambda _self: times.append(1))
    return times


@pytest.fixture
def show(qtbot: QtBot, memory: Memory, asked: list[int]) -> Callable[[Bridge], SourcePanel]:
    """Show the panel of a bridge, as large as the smallest window leaves it."""
    kept: list[SourcePanel] = []

    def make(bridge: Bridge) -> SourcePanel:
        panel = SourcePanel(bridge, memory)
        kept.append(panel)
        qtbot.addWidget(panel)
        panel.resize(1180, 580)
        panel.show()
        return panel

    return make


def test_a_device_that_vanishes_is_shown_so_and_comes_back(
    show: Callable[[Bridge], SourcePanel], make_bridge: Callable[..., Bridge]
) -> None:
    """A chosen device that goes is shown as not connected and waited for, and one that appears is in the list."""
    bridge = make_bridge(input="Scarlett 2i2", output="Scarlett 2i2", host_api="ALSA")
    panel = show(bridge)
    devices = panel.devices
    assert devices is not None
    bridge.devices_changed.emit(Hardware((CARD,)))
    assert "not connected" not in devices.input.currentText()
    assert not devices.gone.isVisible()
    bridge.devices_changed.emit(Hardware((LAPTOP,)))
    assert devices.input.currentText() == "Scarlett 2i2 (not connected)"
    assert devices.gone.isVisible()
    assert "Scarlett 2i2 is not connected" in devices.gone.text()
    assert bridge.state.settings.input == "Scarlett 2i2"
    bridge.devices_changed.emit(Hardware((LAPTOP, CARD)))
    assert "not connected" not in devices.input.currentText()
    assert "Built-in Audio" in [offer.value for offer in devices.input.offers]


def test_the_best_choice_is_one_press(
    show: Callable[[Bridge], SourcePanel], quiet_bridge: Bridge, qtbot: QtBot
) -> None:
    """What is suggested is explained, and taking it makes it the stream's."""
    panel = show(quiet_bridge)
    devices = panel.devices
    assert devices is not None
    quiet_bridge.devices_changed.emit(Hardware((LAPTOP, CARD)))
    assert "Scarlett 2i2" in devices.best_words.text()
    assert "ms" in devices.best_why.text()
    hand.mouseClick(devices.use_best, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.input == "Scarlett 2i2")
    assert quiet_bridge.state.settings.output == "Scarlett 2i2"
    assert devices.in_use.isVisible()
    assert not devices.use_best.isVisible()


def test_every_choice_reaches_the_stream(
    show: Callable[[Bridge], SourcePanel], quiet_bridge: Bridge, qtbot: QtBot
) -> None:
    """Block, rate, channel and the promise that nothing feeds back become what is wanted."""
    panel = show(quiet_bridge)
    devices = panel.devices
    assert devices is not None
    quiet_bridge.devices_changed.emit(Hardware((CARD,)))
    devices.block.choose(64)
    devices.rate.choose(96_000)
    devices.input_channel.choose(2)
    devices.apart.click()
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.headphones)
    settings = quiet_bridge.state.settings
    assert (settings.block, settings.rate_hz, settings.input_channel) == (64, 96_000, 2)
    assert "0.7 ms" in devices.block.currentText()


@pytest.mark.qt_log_ignore("does not support (raise|grabbing|propagate)")
def test_a_list_that_is_open_does_not_change_beneath_the_hand(
    show: Callable[[Bridge], SourcePanel], quiet_bridge: Bridge, qtbot: QtBot
) -> None:
    """While a list is open it stays as it is; what came meanwhile is there once it is closed."""
    panel = show(quiet_bridge)
    devices = panel.devices
    assert devices is not None
    quiet_bridge.devices_changed.emit(Hardware((LAPTOP,)))
    devices.input.showPopup()
    quiet_bridge.devices_changed.emit(Hardware((LAPTOP, CARD)))
    assert "Scarlett 2i2" not in [offer.value for offer in devices.input.offers]
    devices.input.hidePopup()
    assert "Scarlett 2i2" in [offer.value for offer in devices.input.offers]


def test_devices_are_looked_for_only_while_the_panel_is_seen(
    show: Callable[[Bridge], SourcePanel], quiet_bridge: Bridge, asked: list[int]
) -> None:
    """Showing the panel asks at once and starts the clock, hiding it stops the clock."""
    panel = show(quiet_bridge)
    assert len(asked) == 1
    assert panel._timer.isActive()
    panel.hide()
    assert not panel._timer.isActive()


def test_choosing_midi_makes_notes_sound_and_leaving_it_brings_the_card_back(
    show: Callable[[Bridge], SourcePanel], quiet_bridge: Bridge, qtbot: QtBot
) -> None:
    """MIDI begins with the on-screen keyboard and a plucked string, is remembered, and ends with the microphone."""
    panel = show(quiet_bridge)
    panel.kinds.buttons["midi"].click()
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.midi is not None)
    midi = quiet_bridge.state.settings.midi
    assert midi is not None
    assert midi.keyboard
    assert midi.source == SourceSettings()
    assert panel.kinds.buttons["midi"].used
    assert panel.keyboard is not None
    assert panel.keyboard.piano.isVisible()
    assert panel.sound is not None
    panel.sound.kind.choose("oscillator")
    qtbot.waitUntil(lambda: _source_kind(quiet_bridge) == "oscillator")
    panel.kinds.buttons["card"].click()
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.midi is None)
    assert not panel.keyboard.isVisible()
    panel.kinds.buttons["midi"].click()
    qtbot.waitUntil(lambda: _source_kind(quiet_bridge) == "oscillator")


def _source_kind(bridge: Bridge) -> str:
    midi = bridge.state.settings.midi
    return "" if midi is None or midi.source is None else midi.source.kind


def test_a_fader_that_moves_makes_one_source(
    show: Callable[[Bridge], SourcePanel], quiet_bridge: Bridge, qtbot: QtBot
) -> None:
    """A drag of a source's fader reaches the stream once, with the last value."""
    panel = show(quiet_bridge)
    panel.kinds.buttons["midi"].click()
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.midi is not None)
    assert panel.sound is not None
    told: list[Any] = []
    panel.sound.changed.connect(told.append)
    ring = panel.sound.faders["ring_s"]
    for _ in range(5):
        hand.keyClick(ring, Qt.Key.Key_Up)
    qtbot.waitUntil(lambda: bool(told))
    qtbot.waitUntil(lambda: _ring(quiet_bridge) == pytest.approx(ring.value()))
    assert len(told) == 1
    assert ring.value() > SourceSettings().ring_s


def _ring(bridge: Bridge) -> float:
    midi = bridge.state.settings.midi
    return 0.0 if midi is None or midi.source is None else midi.source.ring_s


def test_a_binding_is_shown_and_forgotten(
    show: Callable[[Bridge], SourcePanel], make_bridge: Callable[..., Bridge], qtbot: QtBot
) -> None:
    """The table shows every binding, and its button takes it away."""
    from realtime.messages import MidiSettings

    bindings = MidiMap({(None, 7): Binding.over("mix"), (2, 21): Binding.over("bypass")})
    bridge = make_bridge(midi=MidiSettings(keyboard=True, source=SourceSettings(), map=bindings))
    panel = show(bridge)
    assert panel.bindings is not None
    table = panel.bindings.table
    assert table.rowCount() == 2
    texts = [[item.text() for column in range(4) if (item := table.item(row, column))] for row in range(2)]
    assert [row[:3] for row in texts] == [["Mix", "any", "CC 7"], ["Bypass", "2", "CC 21"]]
    forget: Any = table.cellWidget(0, 4)
    forget.click()
    qtbot.waitUntil(lambda: table.rowCount() == 1)
    midi = bridge.state.settings.midi
    assert midi is not None
    assert list(midi.map.cc) == [(2, 21)]


def test_a_midi_port_that_is_gone_is_waited_for(
    show: Callable[[Bridge], SourcePanel], make_bridge: Callable[..., Bridge], qtbot: QtBot
) -> None:
    """A port that is chosen is opened when it comes, and is shown as not connected until then."""
    bridge = make_bridge()
    panel = show(bridge)
    panel.kinds.buttons["midi"].click()
    bridge.devices_changed.emit(Hardware((CARD,), ("Keystation 49",)))
    assert panel.midi_input is not None
    panel.midi_input.input.choose(("port", "Keystation 49"))
    qtbot.waitUntil(lambda: bridge.state.settings.midi is not None and bridge.state.settings.midi.port is not None)
    midi = bridge.state.settings.midi
    assert midi is not None
    assert midi.wait
    bridge.devices_changed.emit(Hardware((CARD,), ()))
    assert "not connected" in panel.midi_input.input.currentText()
    assert panel.midi_input.gone.isVisible()


def test_a_soundfont_lists_its_instruments(
    show: Callable[[Bridge], SourcePanel], quiet_bridge: Bridge, qtbot: QtBot, soundfont: Path
) -> None:
    """A SoundFont is read in another process, its instruments can be chosen, and a file that is none is refused."""
    panel = show(quiet_bridge)
    panel.kinds.buttons["midi"].click()
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.midi is not None)
    sound = panel.sound
    assert sound is not None
    sound.use_font(Path(__file__))
    qtbot.waitUntil(sound.font_problem.isVisible, timeout=20_000)
    assert "no SoundFont" in sound.font_problem.text()
    sound.use_font(soundfont)
    qtbot.waitUntil(lambda: _source_kind(quiet_bridge) == "soundfont", timeout=20_000)
    assert len(sound.program.offers) > 100
    sound.program.choose((0, 40))
    qtbot.waitUntil(lambda: _program(quiet_bridge) == 40)


def _program(bridge: Bridge) -> int:
    midi = bridge.state.settings.midi
    return -1 if midi is None or midi.source is None else midi.source.program


@pytest.fixture
def soundfont() -> Path:
    """A General MIDI SoundFont of the system."""
    pytest.importorskip("tinysoundfont", reason="SoundFonts are optional")
    path = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
    if not path.is_file():
        pytest.skip("no SoundFont is installed")
    return path


def test_a_file_is_read_and_shown(
    show: Callable[[Bridge], SourcePanel], quiet_bridge: Bridge, qtbot: QtBot, memory: Memory
) -> None:
    """A sound file is shown with its length and remembered; one that is no sound is refused in its place."""
    panel = show(quiet_bridge)
    panel.kinds.buttons["file"].click()
    file = panel.file
    assert file is not None
    assert file.empty.isVisible()
    assert not file.play.isEnabled()
    file.use(EXAMPLES / "greensleeves-oboe.flac")
    qtbot.waitUntil(file.play.isEnabled, timeout=20_000)
    assert file.clock.text() == "0:00 / 0:13"
    assert memory.get("source.file", "").endswith("greensleeves-oboe.flac")
    file.jump(5.0)
    assert file.clock.text().startswith("0:05")
    file.use(Path(__file__))
    qtbot.waitUntil(file.problem.isVisible, timeout=20_000)
    assert file.problem.text().endswith(".")
    assert file.sound is not None


def test_a_failure_is_said_in_the_panel(show: Callable[[Bridge], SourcePanel], quiet_bridge: Bridge) -> None:
    """A notice of this place is shown here, one of another place is not."""
    panel = show(quiet_bridge)
    quiet_bridge.say(Notice("Elsewhere.", "chain", "error"))
    assert not panel.notices.isVisible()
    quiet_bridge.say(Notice("The card is busy: close the other program.", "source", "error"))
    assert panel.notices.isVisible()
