"""MIDI in the app with a real JACK server: the lamp, a file's place and what is left of it, sliders that follow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import mido
import pytest

from gui.chain.chain_desk import ChainDesk
from gui.chain.plugin_editor import PluginEditor
from gui.chain.plugin_shelf import PluginShelf, Shelved
from gui.midi_learn_bar import MidiLearnBar
from gui.remembered import Remembering, remembered_settings
from gui.session_work import without_midi_file
from gui.source.source_panel import SourcePanel
from realtime.messages import MidiSettings
from realtime.midi.midi_map import Binding, MidiMap
from realtime.midi.source import SourceSettings
from realtime.plugins.plugin import Parameter, PluginInfo
from realtime.plugins.scan import Finding
from realtime.plugins.spec import PluginSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory
    from gui.source.midi_choice import MidiInputChoice

WAIT = {"timeout": 20_000}
SINE = SourceSettings("oscillator", wave="sine")


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A minute of notes of half a second."""
    file, track = mido.MidiFile(ticks_per_beat=480), mido.MidiTrack()
    file.tracks.append(track)
    for number in range(120):
        track.append(mido.Message("note_on", note=48 + number % 24, velocity=90))
        track.append(mido.Message("note_off", note=48 + number % 24, time=480))
    path = tmp_path / "song.mid"
    file.save(str(path))
    return path


@pytest.fixture
def live(jack_server: Callable[..., Any], make_bridge: Callable[..., Bridge], qtbot: QtBot) -> Callable[..., Bridge]:
    """Make a bridge that plays, with this MIDI."""

    def make(midi: MidiSettings | None, **more: Any) -> Bridge:
        jack_server(period=256, sample_rate=48000)
        made = make_bridge(input="loopback", output="loopback", output_channel=2, headphones=True, midi=midi, **more)
        made.set_power(True)
        qtbot.waitUntil(lambda: made.state.power == "on", timeout=60_000)
        made.set_watched(True)
        return made

    return make


def shown(bridge: Bridge, memory: Memory, qtbot: QtBot) -> tuple[SourcePanel, MidiInputChoice]:
    panel = SourcePanel(bridge, memory)
    qtbot.addWidget(panel)
    panel.resize(1180, 580)
    with qtbot.waitExposed(panel):
        panel.show()
    panel.kinds.buttons["midi"].click()
    assert panel.midi_input is not None
    return panel, panel.midi_input


def test_the_lamp_is_lit_by_notes_beside_the_card_and_by_knobs(
    live: Callable[..., Bridge], memory: Memory, qtbot: QtBot
) -> None:
    """While notes are heard with the sound card's input the lamp is lit by what arrives, and says which knob moves."""
    bridge = live(MidiSettings(keyboard=True, source=SINE, mixed=True))
    _panel, midi = shown(bridge, memory, qtbot)
    qtbot.waitUntil(lambda: midi.lamp.text().startswith("○  No notes"), **WAIT)
    bridge.send_midi(bytes((0xB0, 74, 3)))
    qtbot.waitUntil(lambda: midi.lamp.text() == "●  CC 74 moves", **WAIT)
    qtbot.waitUntil(lambda: midi.lamp.text().startswith("○"), **WAIT)
    bridge.send_midi(bytes((0x90, 60, 100)))
    qtbot.waitUntil(lambda: midi.lamp.text() == "●  Notes arrive", **WAIT)


def test_a_midi_file_shows_where_it_is_and_jumps(
    live: Callable[..., Bridge], memory: Memory, qtbot: QtBot, song: Path
) -> None:
    """The slider follows the file, a jump goes on from there, Play begins anew, and Panic as well as Stop ends it."""
    bridge = live(MidiSettings(keyboard=True, source=SINE))
    _panel, midi = shown(bridge, memory, qtbot)
    assert not midi.place.isVisible()
    midi.use_file(song)
    midi.play.click()
    qtbot.waitUntil(lambda: midi.place.isVisible() and _midi(bridge).file == song, **WAIT)
    assert midi.place.clock.text() == "0:00 / 1:00"
    midi.place.slider.setValue(400)
    qtbot.waitUntil(lambda: bridge.snapshot().midi_file_s > 40.0, **WAIT)
    qtbot.waitUntil(lambda: midi.place.clock.text().startswith("0:4"), **WAIT)
    midi.loop.click()
    qtbot.waitUntil(lambda: _midi(bridge).loop, **WAIT)
    qtbot.waitUntil(lambda: bridge.snapshot().midi_file_s > 40.0, **WAIT)
    midi.play.click()
    qtbot.waitUntil(lambda: bridge.snapshot().midi_file_s < 20.0, **WAIT)
    for end in (bridge.panic, midi.stop.click):
        end()
        qtbot.waitUntil(lambda: _midi(bridge).keyboard, **WAIT)
        qtbot.waitUntil(lambda: not midi.place.isVisible(), **WAIT)
        assert bridge.state.power == "on"
        midi.play.click()
        qtbot.waitUntil(midi.place.isVisible, **WAIT)


def test_a_midi_file_does_not_begin_by_itself(
    live: Callable[..., Bridge], memory: Memory, qtbot: QtBot, song: Path
) -> None:
    """A file that played when the power went off, or the app ended, gives way to the port of before it."""
    port = MidiSettings(virtual="told", source=SINE, map=MidiMap({(None, 7): Binding.over("mix")}))
    bridge = live(port)
    remembering = Remembering(bridge, memory)
    remembering.write()
    bridge.set_midi(MidiSettings(file=song, source=SINE, map=port.map, loop=True, from_s=5.0))
    qtbot.waitUntil(lambda: bridge.snapshot().midi_file_s > 5.0, **WAIT)
    remembering.write()
    assert remembered_settings(memory)[0].midi == port
    bridge.set_power(False)
    qtbot.waitUntil(lambda: bridge.state.power == "off", **WAIT)
    assert bridge.state.settings.midi == port


def test_without_a_port_before_it_a_file_leaves_the_piano(song: Path) -> None:
    """What no other input was before becomes the on-screen keyboard, with the same sound; what is no file stays."""
    file = MidiSettings(file=song, source=SINE, mixed=True)
    assert without_midi_file(file, None) == MidiSettings(keyboard=True, source=SINE, mixed=True)
    port = MidiSettings(port="Keystation", wait=True)
    assert without_midi_file(port, None) is port
    assert without_midi_file(file, port) == MidiSettings(port="Keystation", wait=True, source=SINE, mixed=True)


def test_a_plugin_slider_follows_a_controller(live: Callable[..., Bridge], qtbot: QtBot) -> None:
    """A knob that MIDI turns moves its slider in the chain, and its bypass switch."""
    delay = PluginSpec("http://drobilla.net/plugins/mda/Delay")
    bindings = MidiMap(
        {(None, 21): Binding("after.0.fx_mix", 0.0, 1.0), (None, 22): Binding("after.0.bypass", 0.0, 1.0)}
    )
    bridge = live(MidiSettings(keyboard=True, map=bindings), after=(delay,))
    shelf = PluginShelf(bridge)
    parameter = Parameter("fx_mix", "FX Mix", 0.0, 1.0, 0.33)
    info = PluginInfo(delay.uri, "Delay", "LV2", inputs=2, outputs=2, parameters=(parameter,))
    shelf.plugins = {delay.uri: Shelved(delay.uri, "Delay", "LV2", finding=Finding(delay.uri, info, 48))}
    desk = ChainDesk(bridge, shelf)
    editor = PluginEditor(desk, shelf, "after", 0)
    desk.changed.connect(editor.refresh)
    qtbot.addWidget(editor)
    editor.show()
    bridge.send_midi(bytes((0xB0, 21, 127)))
    qtbot.waitUntil(lambda: editor.rows[0].value() == 1.0, **WAIT)
    bridge.send_midi(bytes((0xB0, 21, 0)))
    qtbot.waitUntil(lambda: editor.rows[0].value() == 0.0, **WAIT)
    bridge.send_midi(bytes((0xB0, 22, 127)))
    qtbot.waitUntil(editor.bypass.isChecked, **WAIT)


def test_learn_mode_says_which_knob_moved(live: Callable[..., Bridge], qtbot: QtBot) -> None:
    """Before anything is chosen the bar names the controller that moved last, with its channel."""
    from PyQt6.QtWidgets import QWidget

    bridge = live(MidiSettings(virtual="told"))
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(1280, 720)
    window.show()
    bar = MidiLearnBar(bridge, window)
    bar.show()
    bridge.send_midi(bytes((0xB2, 21, 3)))
    qtbot.waitUntil(lambda: bar.words.text().endswith("CC 21, channel 3 moved."), **WAIT)


def _midi(bridge: Bridge) -> MidiSettings:
    midi = bridge.state.settings.midi
    assert midi is not None
    return midi
