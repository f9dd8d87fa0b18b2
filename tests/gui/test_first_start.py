"""The guide of the first start: from nothing to hearing the model, with and without a sound card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QKeyEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QWidget

from gui.first_start import FirstStart
from gui.first_start.guide import DONE
from gui.live_state import Notice
from realtime.audio_io import Device
from realtime.device_watch import Hardware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory

hand: Any = QTest  # its stubs take functions for methods
WAIT = {"timeout": 20_000}
CARD = Device("Scarlett 2i2", "ALSA", 2, 2, 48_000, 3.0, 5.0, True, True, 0)


@pytest.fixture
def start(qtbot: QtBot, memory: Memory) -> Iterator[Callable[[Bridge], FirstStart]]:
    """Show the guide over a window."""
    windows: list[QWidget] = []

    def make(bridge: Bridge) -> FirstStart:
        window = QWidget()
        windows.append(window)
        qtbot.addWidget(window)
        window.resize(1280, 720)
        window.show()
        guide = FirstStart(bridge, memory, window)
        bridge.set_watched(True)
        guide.show()
        window.activateWindow()
        return guide

    yield make
    for window in windows:
        for guide in window.findChildren(FirstStart):
            guide.leave()


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks for devices but the test."""
    from gui.bridge import Bridge

    monkeypatch.setattr(Bridge, "refresh_devices", lambda _self: None)


def test_from_nothing_to_hearing_it(
    start: Callable[[Bridge], FirstStart],
    make_bridge: Callable[..., Bridge],
    jack_server: Callable[..., Any],
    qtbot: QtBot,
    memory: Memory,
) -> None:
    """Without an instrument: the piano, a note that is named, a model, and its sound at the output."""
    jack_server(period=128, sample_rate=48_000)
    bridge = make_bridge("identity")
    guide = start(bridge)
    qtbot.waitUntil(lambda: guide.input._best is not None, **WAIT)
    guide.input.choices["piano"].click()
    hand.mouseClick(guide.next, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bridge.state.power == "on", **WAIT)
    piano = guide.note.keyboard.piano
    assert piano.isVisible()
    hand.keyPress(piano, Qt.Key.Key_H)
    qtbot.waitUntil(lambda: guide.note.note.text() == "A4", **WAIT)
    qtbot.waitUntil(lambda: "Sound arrives" in guide.note.level.verdict.text(), **WAIT)
    hand.keyRelease(piano, Qt.Key.Key_H)
    hand.mouseClick(guide.next, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: hasattr(guide.model, "_playable"), **WAIT)
    entries = guide.model.entries
    guide.model.list.setCurrentIndex(entries.index(entries.row_of("voice")))
    qtbot.waitUntil(lambda: len(bridge.state.targets) == 6 and not bridge.state.busy, **WAIT)
    hand.mouseClick(guide.next, Qt.MouseButton.LeftButton)
    assert guide.hear.converted.isChecked()
    piano = guide.hear.keyboard.piano
    piano.setFocus()
    hand.keyPress(piano, Qt.Key.Key_H)
    qtbot.waitUntil(lambda: bridge.snapshot().output_rms > 0.005, **WAIT)
    cello = guide.hear.chip_group.button(1)
    assert cello is not None
    cello.click()
    qtbot.waitUntil(lambda: bridge.controls.target is not None and bridge.controls.target[1] == 1.0)
    guide.hear.original.click()
    qtbot.waitUntil(lambda: bridge.controls.bypass)
    guide.hear.converted.click()
    hand.keyRelease(piano, Qt.Key.Key_H)
    with qtbot.waitSignal(guide.finished):
        hand.mouseClick(guide.next, Qt.MouseButton.LeftButton)
    assert memory.get(DONE, False)
    assert not guide.isVisible()
    assert bridge.state.power == "on"


@pytest.mark.usefixtures("blind")
def test_without_a_sound_card_the_guide_says_what_to_do(
    start: Callable[[Bridge], FirstStart], quiet_bridge: Bridge
) -> None:
    """No card and no MIDI keyboard are said with a next step, and a card that is plugged in is taken up."""
    guide = start(quiet_bridge)
    quiet_bridge.devices_changed.emit(Hardware(problem="No sound card was found: plug one in."))
    assert guide.input.trouble.isVisible()
    assert "plug one in" in guide.input.trouble.text()
    assert not guide.input.choices["midi"].isEnabled()
    quiet_bridge.devices_changed.emit(Hardware((CARD,), ("Keystation 49",)))
    assert not guide.input.trouble.isVisible()
    assert guide.input.choices["midi"].isEnabled()
    assert guide.input.input.value == "Scarlett 2i2"


@pytest.mark.usefixtures("blind")
def test_an_opening_that_fails_is_said_and_can_be_tried_again(
    start: Callable[[Bridge], FirstStart], quiet_bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of the stream is a sentence in the guide with a button that tries again."""
    powered: list[bool] = []
    monkeypatch.setattr(quiet_bridge, "set_power", powered.append)
    guide = start(quiet_bridge)
    guide.go(1)
    quiet_bridge.say(Notice("The card is held by another program: close it.", severity="error"))
    assert guide.problem.text() == "The card is held by another program: close it."
    assert guide.again.isVisible()
    hand.mouseClick(guide.again, Qt.MouseButton.LeftButton)
    assert powered == [True]


@pytest.mark.usefixtures("blind")
def test_the_guard_is_asked_for_before_the_sound(
    start: Callable[[Bridge], FirstStart], quiet_bridge: Bridge, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a player who says that nothing feeds back gets a stream that does not start muted."""
    monkeypatch.setattr(quiet_bridge, "set_power", lambda _on: None)
    guide = start(quiet_bridge)
    quiet_bridge.devices_changed.emit(Hardware((CARD,)))
    assert not guide.input.apart.isChecked()
    guide.input.apart.click()
    hand.mouseClick(guide.next, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.headphones)
    assert quiet_bridge.state.settings.input == "Scarlett 2i2"


@pytest.mark.usefixtures("blind")
def test_the_guide_can_be_left_and_seen_again(
    start: Callable[[Bridge], FirstStart], quiet_bridge: Bridge, qtbot: QtBot, memory: Memory
) -> None:
    """Escape leaves and is remembered; the guide can be shown anew and follows the window's size."""
    guide = start(quiet_bridge)
    with qtbot.waitSignal(guide.finished):
        hand.keyClick(guide.next, Qt.Key.Key_Escape)
    assert memory.get(DONE, False)
    again = start(quiet_bridge)
    window = again.parentWidget()
    assert window is not None
    window.resize(900, 600)
    qtbot.waitUntil(lambda: again.size() == window.size())


@pytest.mark.usefixtures("blind")
def test_the_keyboard_stays_in_the_guide(
    start: Callable[[Bridge], FirstStart], quiet_bridge: Bridge, qtbot: QtBot
) -> None:
    """Tab goes round within the guide, and a letter reaches no shortcut of the window behind it."""
    guide = start(quiet_bridge)
    qtbot.waitUntil(guide.next.hasFocus, **WAIT)
    reached = set()
    for _ in range(20):
        focused = QApplication.focusWidget()
        assert focused is not None
        assert guide.isAncestorOf(focused)
        reached.add(focused)
        hand.keyClick(focused, Qt.Key.Key_Tab)
    assert {guide.skip, guide.next} <= reached
    for held, kept in ((Qt.KeyboardModifier.NoModifier, True), (Qt.KeyboardModifier.ControlModifier, False)):
        event = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_R, held, "r")
        event.ignore()
        QApplication.sendEvent(guide.next, event)
        assert event.isAccepted() is kept
