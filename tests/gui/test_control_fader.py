from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QContextMenuEvent
from PyQt6.QtWidgets import QApplication

from gui.control_fader import OFF_AT, ControlFader, ControlToggle, words_of
from gui.midi_binding import PROMPT, badge_of
from realtime.controls import RANGES
from realtime.messages import MidiSettings
from realtime.midi.midi_map import Binding, MidiMap

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge

KEY, LEFT = Qt.Key, Qt.MouseButton.LeftButton


@pytest.fixture
def asked(quiet_bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """What was asked of the bridge about MIDI."""
    calls: list[tuple[str, str | None]] = []
    monkeypatch.setattr(quiet_bridge, "learn", lambda control: calls.append(("learn", control)))
    monkeypatch.setattr(quiet_bridge, "forget", lambda control: calls.append(("forget", control)))
    return calls


def shown(widget: QWidget, qtbot: QtBot) -> None:
    qtbot.addWidget(widget)
    widget.resize(260, 48)
    widget.show()
    qtbot.waitExposed(widget)
    widget.activateWindow()
    widget.setFocus()
    qtbot.waitUntil(widget.hasFocus)


def tell(bridge: Bridge, **changes: Any) -> None:
    """As if the engine had said that its state is another."""
    bridge.state_changed.emit(replace(bridge.state, **changes))


def waits(fader: ControlFader) -> bool:
    return fader.midi.learning


def bound(bridge: Bridge, *keys: tuple[int | None, int], control: str = "mix") -> dict[str, Any]:
    midi = MidiSettings(keyboard=True, map=MidiMap({key: Binding.over(control) for key in keys}))
    return {"settings": replace(bridge.state.settings, midi=midi)}


@pytest.mark.parametrize("control", RANGES)
def test_every_number_has_its_fader(control: str, quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """Each control of `RANGES` gets its range, unit and default, and what it sends is accepted at both ends."""
    fader = ControlFader(quiet_bridge, control)
    shown(fader, qtbot)
    low, high, unit = RANGES[control]
    assert (fader.quantity.low, fader.quantity.high, fader.quantity.unit) == (low, high, unit)
    assert fader.value() == getattr(quiet_bridge.controls, control)
    for key, end in ((KEY.Key_Home, low), (KEY.Key_End, high)):
        qtbot.keyClick(fader, key)
        assert getattr(quiet_bridge.controls, control) == end
    fader.set_value(OFF_AT.get(control, low))
    assert (fader.text() == "Off") == (control in OFF_AT)


def test_a_fader_follows_and_does_not_answer(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """A change from elsewhere moves the fader without an echo; two faders of one control agree."""
    first, second = (ControlFader(quiet_bridge, "mix", "Mix") for _ in range(2))
    shown(first, qtbot)
    qtbot.addWidget(second)
    heard: list[float] = []
    second.moved.connect(heard.append)
    second.value_changed.connect(heard.append)
    qtbot.keyClick(first, KEY.Key_Left)
    assert (quiet_bridge.controls.mix, second.value()) == (0.99, 0.99)
    quiet_bridge.set_controls(mix=0.25)
    assert (first.value(), second.value(), heard) == (0.25, 0.25, [])


def test_the_hand_wins_while_it_holds(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """What comes from elsewhere does not move a fader under the hand; let go, it shows what is."""
    fader = ControlFader(quiet_bridge, "mix", "Mix")
    shown(fader, qtbot)
    qtbot.mousePress(fader, LEFT, pos=QPoint(130, 36))
    quiet_bridge.set_controls(mix=0.25)
    assert fader.value() == 1.0
    qtbot.mouseRelease(fader, LEFT, pos=QPoint(130, 36))
    assert fader.value() == 0.25


def test_a_switch_turns_its_control(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """A switch sends, follows without an echo, and resets to its default."""
    toggle = ControlToggle(quiet_bridge, "limiter", "Limiter")
    shown(toggle, qtbot)
    assert toggle.isChecked()
    qtbot.keyClick(toggle, KEY.Key_Space)
    assert (quiet_bridge.controls.limiter, toggle.isChecked()) == (False, False)
    quiet_bridge.set_controls(limiter=True)
    assert toggle.isChecked()
    toggle.setChecked(False)
    toggle.reset()
    assert (quiet_bridge.controls.limiter, toggle.isChecked()) == (True, True)


@pytest.mark.qt_log_ignore("does not support (raise|grabbing|propagate)")  # of the offscreen platform
@pytest.mark.parametrize("way", ["right click", "Menu", "Shift+F10"])
@pytest.mark.parametrize("made", [ControlFader, ControlToggle])
def test_the_menu_learns_forgets_and_resets(
    way: str, made: type[Any], quiet_bridge: Bridge, asked: list[tuple[str, str | None]], qtbot: QtBot
) -> None:
    """Mouse and keyboard open a menu that learns, forgets what is bound, and resets; Forget is off when unbound."""
    control = "mix" if made is ControlFader else "bypass"
    widget = made(quiet_bridge, control)
    shown(widget, qtbot)

    def opened() -> dict[str, Any]:
        if way == "right click":
            at = widget.rect().center()
            event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, widget.mapToGlobal(at))
            QApplication.sendEvent(widget, event)
        elif way == "Menu":
            qtbot.keyClick(widget, KEY.Key_Menu)
        else:
            qtbot.keyClick(widget, KEY.Key_F10, Qt.KeyboardModifier.ShiftModifier)
        assert widget.midi.menu is not None and widget.midi.menu.isVisible()
        return {action.text(): action for action in widget.midi.menu.actions() if action.text()}

    def pick(action: Any) -> None:
        menu = widget.midi.menu
        action.trigger()
        menu.close()
        qtbot.waitUntil(lambda: widget.midi.menu is None)

    actions = opened()
    assert not actions["Forget MIDI"].isEnabled()
    pick(actions["Learn MIDI"])
    tell(quiet_bridge, **bound(quiet_bridge, (None, 7), control=control))
    pick(opened()["Forget CC 7"])
    assert asked == [("learn", control), ("forget", control)]
    quiet_bridge.set_controls(**{control: 0.5 if made is ControlFader else True})
    reset = next(action for text, action in opened().items() if text.startswith("Reset"))
    pick(reset)
    assert getattr(quiet_bridge.controls, control) == (1.0 if made is ControlFader else False)


def test_a_bound_controller_is_shown(quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """The badge names every controller of this control and no other, with its channel where it has one."""
    fader = ControlFader(quiet_bridge, "mix", "Mix")
    shown(fader, qtbot)
    plain = fader.grab().toImage()
    tell(quiet_bridge, **bound(quiet_bridge, (2, 74), (None, 7)))
    assert fader.midi.badge == "CC 7 CC 74·2"
    assert fader.grab().toImage() != plain
    tell(quiet_bridge, **bound(quiet_bridge, (None, 7), control="gate_db"))
    assert fader.midi.badge == ""
    assert badge_of(quiet_bridge.state, "mix") == ""


def test_a_wait_for_a_knob_is_shown_and_can_be_left(
    quiet_bridge: Bridge, asked: list[tuple[str, str | None]], qtbot: QtBot
) -> None:
    """While its control is learnt a fader asks for a knob, pulsing; Escape ends the wait; then the number is back."""
    fader = ControlFader(quiet_bridge, "mix", "Mix")
    shown(fader, qtbot)
    tell(quiet_bridge, learning="gate_db")
    assert not waits(fader)
    tell(quiet_bridge, learning="mix")
    assert waits(fader) and fader.accessibleDescription() == PROMPT
    assert fader.midi._pulse.isActive()
    bright = fader.grab().toImage()
    fader.midi._beat()
    assert fader.grab().toImage() != bright
    qtbot.keyClick(fader, KEY.Key_Escape)
    assert asked == [("learn", None)]
    tell(quiet_bridge, learning=None)
    assert fader.accessibleDescription() == "100 %" and not fader.midi._pulse.isActive()


def test_in_learn_mode_a_press_chooses(quiet_bridge: Bridge, asked: list[tuple[str, str | None]], qtbot: QtBot) -> None:
    """In learn mode a press on a fader or switch asks to learn it, and moves nothing."""
    fader, toggle = ControlFader(quiet_bridge, "mix"), ControlToggle(quiet_bridge, "bypass")
    shown(fader, qtbot)
    shown(toggle, qtbot)
    quiet_bridge.set_learn_mode(True)
    qtbot.mouseClick(fader, LEFT, pos=QPoint(20, 36))
    qtbot.mouseClick(toggle, LEFT)
    assert asked == [("learn", "mix"), ("learn", "bypass")]
    assert not fader.held() and not toggle.isChecked()


def test_names_are_for_people() -> None:
    """A control without a label is named in words, without its unit."""
    assert [words_of(name) for name in ("input_gain_db", "highpass_hz", "mix")] == ["Input gain", "Highpass", "Mix"]
