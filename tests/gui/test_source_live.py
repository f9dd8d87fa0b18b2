"""The Source panel on a real JACK server: keys sound, a server that dies is shown, files and real MIDI arrive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from gui.source.source_panel import SourcePanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory

hand: Any = QTest  # its stubs take functions for methods
EXAMPLES = Path(__file__).resolve().parents[2] / "realtime" / "examples"
WAIT = {"timeout": 60_000}


@pytest.fixture
def panel(bridge: Bridge, memory: Memory, qtbot: QtBot) -> SourcePanel:
    """The panel of a stream that runs from JACK's loopback to it."""
    made = SourcePanel(bridge, memory)
    qtbot.addWidget(made)
    made.resize(1180, 580)
    bridge.set_watched(True)
    made.show()
    made.activateWindow()
    return made


def test_a_computer_key_sounds_and_stops(panel: SourcePanel, bridge: Bridge, qtbot: QtBot) -> None:
    """A key that is pressed on the piano is heard at the engine's output, and ends when the piano is left."""
    panel.kinds.buttons["midi"].click()
    qtbot.waitUntil(lambda: bridge.state.settings.midi is not None, **WAIT)
    keyboard = panel.keyboard
    assert keyboard is not None
    assert panel.sound is not None
    panel.sound.kind.choose("oscillator")  # which sounds as long as its key is down
    qtbot.waitUntil(lambda: _kind(bridge) == "oscillator", **WAIT)
    qtbot.waitUntil(lambda: not bridge.state.busy and bridge.snapshot().output_rms < 1e-4, **WAIT)
    keyboard.piano.setFocus()
    hand.keyPress(keyboard.piano, Qt.Key.Key_A)
    qtbot.waitUntil(lambda: bridge.snapshot().output_rms > 0.01, **WAIT)
    qtbot.waitUntil(lambda: "Sound arrives" in panel.level.verdict.text(), **WAIT)
    panel.hide()
    qtbot.waitUntil(lambda: bridge.snapshot().output_rms < 1e-4, **WAIT)


def _kind(bridge: Bridge) -> str:
    midi = bridge.state.settings.midi
    return "" if midi is None or midi.source is None else midi.source.kind


def test_a_file_plays_into_the_model(panel: SourcePanel, bridge: Bridge, qtbot: QtBot) -> None:
    """A file in place of the instrument is heard, its cursor moves, and Stop brings the instrument back."""
    panel.kinds.buttons["file"].click()
    file = panel.file
    assert file is not None
    file.use(EXAMPLES / "greensleeves-oboe.flac")
    qtbot.waitUntil(file.play.isEnabled, **WAIT)
    hand.mouseClick(file.play, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: file.playing and bridge.snapshot().output_rms > 0.01, **WAIT)
    qtbot.waitUntil(lambda: panel.kinds.buttons["file"].used, **WAIT)
    file.jump(9.0)
    qtbot.waitUntil(lambda: bridge.snapshot().file_s > 9.0, **WAIT)
    hand.mouseClick(file.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not file.playing and panel.kinds.buttons["card"].used, **WAIT)


def test_a_sound_server_that_dies_is_shown_as_gone(
    panel: SourcePanel, bridge: Bridge, qtbot: QtBot, jack_server: Callable[..., Any]
) -> None:
    """When the chosen device vanishes the panel says that it is not connected, and goes on when it is back."""
    devices = panel.devices
    assert devices is not None
    qtbot.waitUntil(lambda: "loopback  ·  about" in devices.input.currentText(), **WAIT)
    _servers(jack_server)[-1].kill()
    qtbot.waitUntil(lambda: bridge.state.power == "waiting", **WAIT)
    qtbot.waitUntil(lambda: "not connected" in devices.input.currentText(), **WAIT)
    assert devices.gone.isVisible()
    assert "loopback is not connected" in devices.gone.text()
    assert "gone" in panel.level.verdict.text()
    jack_server(period=128, sample_rate=48_000)
    qtbot.waitUntil(lambda: bridge.state.power == "on", **WAIT)
    qtbot.waitUntil(lambda: not devices.gone.isVisible(), **WAIT)


_KEYS = """
import jack, sys
client = jack.Client("Keystation", no_start_server=True)
port = client.midi_outports.register("out")
waiting = []

def process(frames):
    port.clear_buffer()
    while waiting:
        port.write_midi_event(0, waiting.pop(0))

client.set_process_callback(process)
client.activate()
for line in sys.stdin:
    waiting.append(tuple(int(number) for number in line.split()))
"""


@pytest.mark.kills
def test_a_real_midi_keyboard_is_listed_heard_and_missed(panel: SourcePanel, bridge: Bridge, qtbot: QtBot) -> None:
    """A keyboard on the server is in the list, its note sounds and lights the lamp, and pulled out it is waited for."""
    panel.kinds.buttons["midi"].click()
    midi_input, sound = panel.midi_input, panel.sound
    assert midi_input is not None
    assert sound is not None
    with subprocess.Popen([sys.executable, "-c", _KEYS], stdin=subprocess.PIPE, text=True) as keys:
        assert keys.stdin is not None
        try:

            def listed() -> bool:
                bridge.refresh_devices()
                return any("Keystation" in offer.words for offer in midi_input.input.offers)

            qtbot.waitUntil(listed, **WAIT)
            port = next(offer.value for offer in midi_input.input.offers if "Keystation" in offer.words)
            sound.kind.choose("oscillator")
            qtbot.waitUntil(lambda: _kind(bridge) == "oscillator", **WAIT)
            midi_input.input.choose(port)
            qtbot.waitUntil(lambda: _port(bridge) == port[1] and bridge.snapshot().output_rms < 1e-4, **WAIT)
            keys.stdin.write("144 69 100\n")
            keys.stdin.flush()
            qtbot.waitUntil(lambda: bridge.snapshot().output_rms > 0.01, **WAIT)
            qtbot.waitUntil(lambda: "Notes arrive" in midi_input.lamp.text(), **WAIT)
            keys.stdin.write("128 69 0\n")
            keys.stdin.flush()
            qtbot.waitUntil(lambda: "No notes" in midi_input.lamp.text(), **WAIT)
        finally:
            keys.kill()

    def gone() -> bool:
        bridge.refresh_devices()
        return "not connected" in midi_input.input.currentText()

    qtbot.waitUntil(gone, **WAIT)
    assert midi_input.gone.isVisible()


def _port(bridge: Bridge) -> str:
    midi = bridge.state.settings.midi
    return "" if midi is None else midi.port or ""


def _servers(start: Callable[..., Any]) -> list[Any]:
    """The servers that the fixture has started."""
    cells = dict(zip(start.__code__.co_freevars, start.__closure__ or (), strict=True))
    found: list[Any] = cells["servers"].cell_contents
    return found
