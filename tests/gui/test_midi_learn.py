from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QHBoxLayout, QPushButton, QSpinBox, QToolButton, QWidget

from gui.control_fader import ControlFader, ControlToggle
from gui.midi_bindings import MidiBindings
from gui.midi_learn import BLEND, MidiLearn
from gui.midi_words import controller_words, learnt, words_for
from gui.widgets.blend_pad import BlendPad
from realtime.device_watch import Hardware
from realtime.messages import MidiSettings
from realtime.midi.midi_map import Binding, MidiMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge

HANDS: Any = QTest  # its stubs take static methods for methods
# Of the offscreen platform.
pytestmark = pytest.mark.qt_log_ignore("does not support (raise|grabbing|propagate)")
LEFT = Qt.MouseButton.LeftButton
LONG_MS = 60_000
PEDAL = Path(__file__).with_name("midi_pedal.py")


class Desk(QWidget):
    """A window with one of each thing that can be bound, and a button that cannot."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.mix, self.bypass = ControlFader(bridge, "mix", "Mix"), ControlToggle(bridge, "bypass", "Bypass")
        self.pad, self.next, self.plain = BlendPad(), QPushButton("Next"), QPushButton("Plain")
        self.pad.set_targets(("violin", "cello", "flute"))
        self.next.setProperty("midi_control", "next")
        self.knob = QPushButton("A plugin's knob")
        self.knob.setProperty("midi_control", "after.0.cutoff")
        self.knob.setProperty("midi_range", [20.0, 20000.0])
        row = QHBoxLayout(self)
        for widget in (self.mix, self.bypass, self.pad, self.next, self.knob, self.plain):
            row.addWidget(widget)
        self.resize(1190, 600)


@pytest.fixture
def pedal(jack_server: Callable[..., Any]) -> Any:
    """A real MIDI port of a real JACK server: `pedal.send(channel, number, value)`."""
    server = jack_server(period=128)
    child = subprocess.Popen(
        [sys.executable, str(PEDAL)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=server.environment
    )
    assert child.stdout is not None and child.stdin is not None
    assert child.stdout.readline() == "ready\n"

    def send(channel: int, number: int, value: int) -> None:
        assert child.stdin is not None
        child.stdin.write(f"{channel} {number} {value}\n")
        child.stdin.flush()

    child.send = send  # type: ignore[attr-defined]
    yield child
    child.stdin.close()
    child.wait(timeout=10)
    child.stdout.close()


def with_midi(bridge: Bridge, qtbot: QtBot, mapping: MidiMap) -> None:
    bridge.set_midi(MidiSettings(virtual="x", map=mapping))
    qtbot.waitUntil(lambda: bridge.state.settings.midi is not None)


def test_every_control_in_sight_is_marked_and_nothing_else(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """Faders, switches, the blend pad, buttons and plugins' knobs are targets while they are seen."""
    desk = Desk(quiet_bridge)
    qtbot.addWidget(desk)
    learn = MidiLearn(quiet_bridge, desk)
    desk.show()
    assert {control for _, control in learn.targets()} == {"mix", "bypass", BLEND, "next", "after.0.cutoff"}
    desk.next.hide()
    assert "next" not in {control for _, control in learn.targets()}
    quiet_bridge.set_learn_mode(True)
    assert learn.bar is not None and learn.marks is not None
    assert learn.bar.geometry().bottom() <= desk.height() and learn.bar.width() <= desk.width()
    clicked: list[str] = []
    desk.plain.clicked.connect(lambda: clicked.append("plain"))
    desk.knob.clicked.connect(lambda: clicked.append("knob"))
    HANDS.mouseClick(desk.plain, LEFT)
    HANDS.mouseClick(desk.knob, LEFT)
    assert clicked == ["plain"]
    learn.bar.done.click()
    assert not learn.active and not quiet_bridge.learn_mode
    HANDS.mouseClick(desk.knob, LEFT)
    assert clicked == ["plain", "knob"]


def test_without_an_open_input_the_bar_says_so_and_opens_one(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """The bar names what stands in the way, first the missing input, then the power, and has the button for each."""
    desk = Desk(quiet_bridge)
    qtbot.addWidget(desk)
    learn = MidiLearn(quiet_bridge, desk)
    desk.show()
    quiet_bridge.set_learn_mode(True)
    bar = learn.bar
    assert bar is not None
    assert "No MIDI input is open" in bar.words.text() and bar.open_input.isVisible()
    quiet_bridge.devices_changed.emit(Hardware(midi_inputs=("Keystation:out",)))
    bar.inputs.aboutToShow.emit()
    words = [action.text() for action in bar.inputs.actions()]
    assert words[0] == "Keystation:out" and words[-1] == "More under Source…"
    bar.inputs.actions()[0].trigger()
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.midi is not None)
    midi = quiet_bridge.state.settings.midi
    assert midi is not None and midi.port == "Keystation:out" and midi.wait
    assert not bar.open_input.isVisible() and bar.power.isVisible()
    assert "while the power is on" in bar.words.text()


def test_the_table_changes_range_direction_channel_and_forgets(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """What is edited in the table is in the map at once; a controller taken from another is said with a way back."""
    mapping = MidiMap({(None, 21): Binding.over("mix"), (None, 64): Binding.over("bypass")})
    with_midi(quiet_bridge, qtbot, mapping)
    table = MidiBindings(quiet_bridge)
    qtbot.addWidget(table)
    table.show()

    def current() -> MidiMap:
        midi = quiet_bridge.state.settings.midi
        assert midi is not None
        return midi.map

    assert table.table.rowCount() == 2
    low = table.table.cellWidget(0, 3)
    low.setValue(0.25)  # type: ignore[union-attr]
    low.editingFinished.emit()  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: current().cc[None, 21].low == 0.25)
    invert = table.table.cellWidget(0, 5)
    assert isinstance(invert, QToolButton)
    invert.click()
    qtbot.waitUntil(lambda: (current().cc[None, 21].low, current().cc[None, 21].high) == (1.0, 0.25))
    flip = table.table.cellWidget(1, 6)
    assert isinstance(flip, QWidget)
    flip.click()  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: current().cc[None, 64].flip)
    number = table.table.cellWidget(0, 1)
    assert isinstance(number, QSpinBox)
    number.setValue(64)
    number.editingFinished.emit()
    qtbot.waitUntil(lambda: list(current().cc) == [(None, 64)])
    said = table.notice.notice()
    assert said is not None and said.text == "Bypass had that controller and has none now." and said.do is not None
    said.do()
    qtbot.waitUntil(lambda: len(current().cc) == 2)
    qtbot.waitUntil(lambda: table.table.rowCount() == 2)
    forget = table.table.cellWidget(1, 7)
    assert isinstance(forget, QToolButton)
    forget.click()
    qtbot.waitUntil(lambda: list(current().cc) == [(None, 21)])


def test_a_range_that_turns_nothing_is_refused(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """From and To that are equal are refused with the map's own sentence, and the binding stays as it was."""
    with_midi(quiet_bridge, qtbot, MidiMap({(None, 21): Binding.over("mix")}))
    table = MidiBindings(quiet_bridge)
    qtbot.addWidget(table)
    table.show()
    high = table.table.cellWidget(0, 4)
    high.setValue(0.0)  # type: ignore[union-attr]
    high.editingFinished.emit()  # type: ignore[union-attr]
    said = table.notice.notice()
    assert said is not None and "the knob would do nothing" in said.text


def test_a_real_controller_is_learnt_through_jack(pedal: Any, make_bridge: Callable[..., Bridge], qtbot: QtBot) -> None:
    """A click, and a knob that moves, bind; then it turns the control. A knob taken from another control is said."""
    bridge = make_bridge(
        input="loopback", output="loopback", output_channel=2, headphones=True,
        midi=MidiSettings(port="pedal:out", wait=True),
    )  # fmt: skip
    bridge.set_power(True)
    qtbot.waitUntil(lambda: bridge.state.power == "on", timeout=LONG_MS)
    desk = Desk(bridge)
    qtbot.addWidget(desk)
    learn = MidiLearn(bridge, desk)
    desk.show()
    bridge.set_learn_mode(True)
    bar = learn.bar
    assert bar is not None
    HANDS.mouseClick(desk.mix, LEFT)
    qtbot.waitUntil(lambda: bridge.state.learning == "mix")
    assert bar.words.text() == "Mix: move a knob or press a pedal."
    assert bridge.controls.mix == 1.0  # the click moved nothing
    pedal.send(3, 21, 60)
    pedal.send(3, 21, 70)
    qtbot.waitUntil(lambda: bridge.state.learning is None and "Mix follows CC 21 now." in bar.words.text())
    pedal.send(3, 21, 0)
    qtbot.waitUntil(lambda: bridge.controls.mix == 0.0)
    pedal.send(3, 21, 127)
    qtbot.waitUntil(lambda: bridge.controls.mix == 1.0)
    desk.next.setFocus()
    HANDS.keyClick(desk.next, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bridge.state.learning == "next")
    pedal.send(1, 21, 30)
    pedal.send(1, 21, 127)
    qtbot.waitUntil(lambda: bar.words.text() == "Next preset follows CC 21 now. Mix does not any more.")
    HANDS.mouseClick(desk.knob, LEFT)
    qtbot.waitUntil(lambda: bridge.state.learning == "after.0.cutoff")
    pedal.send(1, 30, 127)
    wanted = Binding("after.0.cutoff", 20.0, 20000.0)
    qtbot.waitUntil(lambda: wanted in (bridge.state.settings.midi or MidiSettings(virtual="x")).map.cc.values())
    HANDS.mouseClick(desk.pad, LEFT)
    assert learn._menu is not None
    assert [action.text() for action in learn._menu.actions()] == []  # identity has no targets
    learn._menu.close()
    bridge.set_learn_mode(False)
    bridge.forget("next")
    qtbot.waitUntil(lambda: (None, 21) not in (bridge.state.settings.midi or MidiSettings(virtual="x")).map.cc)


def test_names_for_people() -> None:
    """Controls, pedals, targets and plugins' knobs have names, and what a knob turned before is found."""
    assert [words_for(name) for name in ("input_gain_db", "next", "target:jazz-sax")] == [
        "Input gain", "Next preset", "Target jazz sax",
    ]  # fmt: skip
    assert words_for("after.0.fx_mix") == "Plugin 1 behind the model: fx mix"
    assert words_for("before.1.x", (("before", ("One", "Two")),)) == "Two: x"
    assert [controller_words(key) for key in ((None, 7), (2, 7))] == ["CC 7", "CC 7, channel 2"]
    before = MidiMap({(None, 7): Binding.over("mix")})
    after = before.with_binding(None, 7, Binding.over("bypass"))
    assert learnt(before, after, "bypass") == ((None, 7), "mix")
    assert learnt(before, replace(before), "gate_db") == (None, None)
