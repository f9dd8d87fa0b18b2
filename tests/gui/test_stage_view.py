from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest

from gui import theme
from gui.live_state import Notice
from gui.stage.big_words import BigTuner, BigWords
from gui.stage.setlist_panel import SetlistPanel
from gui.stage.stage_view import HOLD_MS
from realtime.presets.library import write_preset
from realtime.presets.preset import Preset
from realtime.presets.setlist import Setlist

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory

HANDS: Any = QTest  # its stubs take static methods for methods

SONGS = ("Intro", "Lead", "Outro")
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def panel(quiet_bridge: Bridge, memory: Memory, qtbot: QtBot) -> SetlistPanel:
    """The panel in its size, with three presets in a setlist."""
    for name in SONGS:
        write_preset(Preset(name, "voice"))
    quiet_bridge.set_setlist(Setlist("The club", SONGS))
    qtbot.waitUntil(lambda: quiet_bridge.state.setlist is not None)
    made = SetlistPanel(quiet_bridge, memory)
    qtbot.addWidget(made)
    made.resize(1190, 600)
    made.show()
    made.stage.setFocus()
    return made


def test_pedal_keys_step_and_the_words_follow(panel: SetlistPanel, quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """Space, arrows and page keys go on and back; the preset, the next one and the list say where the evening is."""
    stage = panel.stage
    assert not panel.editing
    assert (stage.current.text(), stage.next_up.text()) == ("No preset", "next  Intro")
    assert not stage.previous.isEnabled()
    for key, place in (
        (Qt.Key.Key_Space, 1), (Qt.Key.Key_PageDown, 2), (Qt.Key.Key_PageUp, 1), (Qt.Key.Key_Right, 2),
        (Qt.Key.Key_Down, 3), (Qt.Key.Key_Space, 3), (Qt.Key.Key_Left, 2), (Qt.Key.Key_Up, 1),
    ):  # fmt: skip
        HANDS.keyClick(stage, key)
        qtbot.waitUntil(lambda place=place: quiet_bridge.state.position == place)  # type: ignore[misc]
        assert stage.current.text() == SONGS[place - 1]
        assert stage.songs.currentRow() == place - 1
    assert stage.next_up.text() == "next  Lead"
    assert stage.heading.text() == "The club  ·  1 of 3"


def test_a_pedal_never_presses_the_button_that_has_the_keyboard(
    panel: SetlistPanel, quiet_bridge: Bridge, qtbot: QtBot
) -> None:
    """With the keyboard on Bypass, Space steps and does not bypass; Enter does."""
    stage = panel.stage
    stage.bypass.setFocus()
    HANDS.keyClick(stage.bypass, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: quiet_bridge.state.position == 1)
    bypassed = [quiet_bridge.controls.bypass]
    HANDS.keyClick(stage.bypass, Qt.Key.Key_Return)
    bypassed.append(quiet_bridge.controls.bypass)
    assert bypassed == [False, True]
    assert stage.bypass.text() == "Bypassed"


def test_locked_nothing_changes_by_accident(
    panel: SetlistPanel, quiet_bridge: Bridge, memory: Memory, qtbot: QtBot
) -> None:
    """On the stage screen the list is deaf and there is no Edit; a short press unlocks nothing, holding does."""
    stage = panel.stage
    panel.set_stage(True)
    assert not stage.edit.isVisible()
    first = stage.songs.item(2)
    assert first is not None
    HANDS.mouseClick(stage.songs.viewport(), LEFT, pos=stage.songs.visualItemRect(first).center())
    stage._jump(first)
    HANDS.mouseClick(stage.lock, LEFT)
    assert stage.lock.accessibleName() == "Locked, hold to unlock"
    assert quiet_bridge.state.position == 0
    HANDS.mousePress(stage.lock, LEFT)
    qtbot.waitUntil(lambda: not stage.locked, timeout=10 * HOLD_MS)
    HANDS.mouseRelease(stage.lock, LEFT)
    assert stage.lock.accessibleName() == "Lock the stage view"
    stage.songs.itemClicked.emit(first)
    qtbot.waitUntil(lambda: quiet_bridge.state.position == 3)
    panel.set_stage(False)
    kept = [memory.get("setlist.locked", False)]
    HANDS.mouseClick(stage.lock, LEFT)
    kept.append(memory.get("setlist.locked", False))
    assert kept == [False, True]


def test_the_preset_is_readable_from_two_metres(panel: SetlistPanel, quiet_bridge: Bridge, qtbot: QtBot) -> None:
    """At 1280 × 720 the preset's letters are over 70 px high, a long name's over 40, the next one's over 35."""
    stage = panel.stage
    HANDS.keyClick(stage, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: stage.current.text() == "Intro")
    assert stage.current.shown_px > 70
    assert stage.next_up.shown_px > 35
    stage.current.set_text("Violin, bright and warm, for the second verse only")
    assert stage.current.shown_px > 40
    assert stage.next.height() >= theme.px(11)


def test_the_tuner_and_the_words_tell_screen_readers(qtbot: QtBot) -> None:
    """A note, no note, and huge words are accessible names as well as pictures."""
    from realtime.desk.tuner import TunerReading

    tuner, words = BigTuner(), BigWords(20)
    for widget in (tuner, words):
        qtbot.addWidget(widget)
    tuner.show_reading(TunerReading(440.0, "A4", 3.2, -20.0))
    assert tuner.accessibleName() == "Tuner: A4 +3 cents"
    tuner.show_reading(TunerReading(None, "", 0.0, -90.0))
    assert tuner.accessibleName() == "Tuner: no clear note"
    words.set_text("Lead")
    assert words.accessibleName() == "Lead"


def test_what_goes_wrong_is_said_on_the_stage(panel: SetlistPanel, quiet_bridge: Bridge) -> None:
    """A notice for the setlist is shown in the view that is shown."""
    quiet_bridge.say(Notice("The setlist has no place 9.", "setlist", "error"))
    shown = panel.stage.notice.notice()
    assert shown is not None and shown.text == "The setlist has no place 9."
    panel.show_editor()
    quiet_bridge.say(Notice("The setlist is empty.", "setlist", "error"))
    shown = panel.editor.notice.notice()
    assert shown is not None and shown.text == "The setlist is empty."
