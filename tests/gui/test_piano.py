"""The on-screen piano: which key plays what, and that every note that begins also ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PyQt6.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt6.QtGui import QKeyEvent, QMouseEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget

from gui.widgets.piano import Piano
from gui.widgets.piano_keys import HIGHEST, LETTERS, LOWEST, SPAN, is_black, layout_for

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

hand: Any = QTest  # its stubs take functions for methods


@pytest.fixture
def piano(qtbot: QtBot) -> Piano:
    """A piano with the keyboard's focus, beside a field that can take it away."""
    window = QWidget()
    column = QVBoxLayout(window)
    made = Piano()
    column.addWidget(made)
    column.addWidget(QLineEdit())
    qtbot.addWidget(window)
    window.resize(1000, 200)
    window.show()
    window.activateWindow()
    made.setFocus()
    qtbot.waitUntil(made.hasFocus)
    made.log = []  # type: ignore[attr-defined]
    made.note_on.connect(lambda note, velocity: made.log.append(("on", note, velocity)))  # type: ignore[attr-defined]
    made.note_off.connect(lambda note: made.log.append(("off", note)))  # type: ignore[attr-defined]
    made.pedal_changed.connect(lambda down: made.log.append(("pedal", down)))  # type: ignore[attr-defined]
    made.keeper = window  # type: ignore[attr-defined]  # or Python would take it away
    return made


def log_of(piano: Piano) -> list[tuple[Any, ...]]:
    return piano.log  # type: ignore[attr-defined,no-any-return]


def move(piano: Piano, at: QPointF) -> None:
    """A mouse that moves with its button held, which QTest cannot do."""
    left = Qt.MouseButton.LeftButton
    event = QMouseEvent(QEvent.Type.MouseMove, at, piano.mapToGlobal(at), left, left, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(piano, event)


def test_two_rows_of_letters_are_a_piano(piano: Piano) -> None:
    """The home row plays white keys from C and the row above the black keys between them."""
    for key in "AWSEDFTGYHUJKOLP":
        hand.keyClick(piano, Qt.Key(ord(key)))
    played = [entry[1] for entry in log_of(piano) if entry[0] == "on"]
    assert played == list(range(60, 76))
    assert [is_black(note) for note in played[:12]] == [letter in "WETYU" for letter in "AWSEDFTGYHUJ"]


def test_a_note_ends_where_it_began_whatever_the_octave_is_by_then(piano: Piano) -> None:
    """A key that is held through an octave change lets go of the note that it began."""
    hand.keyPress(piano, Qt.Key.Key_A)
    hand.keyClick(piano, Qt.Key.Key_X)
    hand.keyRelease(piano, Qt.Key.Key_A)
    hand.keyClick(piano, Qt.Key.Key_A)
    assert [entry[:2] for entry in log_of(piano)] == [("on", 60), ("off", 60), ("on", 72), ("off", 72)]


def test_a_key_that_repeats_plays_once(piano: Piano) -> None:
    """The repeats of a held key neither strike again nor let go."""
    hand.keyPress(piano, Qt.Key.Key_A)
    for kind in (QEvent.Type.KeyRelease, QEvent.Type.KeyPress) * 3:
        event = QKeyEvent(kind, Qt.Key.Key_A, Qt.KeyboardModifier.NoModifier, "a", True)
        QApplication.sendEvent(piano, event)
    assert log_of(piano) == [("on", 60, 96)]
    hand.keyRelease(piano, Qt.Key.Key_A)
    assert log_of(piano) == [("on", 60, 96), ("off", 60)]


@pytest.mark.parametrize("way", ["focus", "hidden", "disabled", "window"])
def test_whatever_takes_the_keyboard_away_ends_the_notes(piano: Piano, way: str) -> None:
    """Losing the focus, being hidden or disabled, and a window that closes let every note and the pedal go."""
    hand.keyPress(piano, Qt.Key.Key_A)
    hand.keyPress(piano, Qt.Key.Key_D)
    hand.keyPress(piano, Qt.Key.Key_Space)
    hand.mousePress(piano, Qt.MouseButton.LeftButton, pos=QPoint(5, 60))
    window = piano.window()
    assert window is not None
    if way == "focus":
        field = window.findChild(QLineEdit)
        assert field is not None
        field.setFocus()
    elif way == "hidden":
        piano.hide()
    elif way == "disabled":
        piano.setEnabled(False)
    else:
        window.close()
    begun = sorted(entry[1] for entry in log_of(piano) if entry[0] == "on")
    ended = sorted(entry[1] for entry in log_of(piano) if entry[0] == "off")
    assert len(begun) == 3
    assert begun == ended
    assert [entry[1] for entry in log_of(piano) if entry[0] == "pedal"] == [True, False]
    assert not piano.sounding


def test_the_mouse_plays_louder_further_down(piano: Piano) -> None:
    """Where a white key is struck decides how loud it is, from soft at the back to full at the front."""
    x = round(piano.layout_now().rect(60).left()) + 2
    heights = [round(piano.height() * part) for part in (0.7, 0.8, 0.97)]
    for y in heights:
        hand.mouseClick(piano, Qt.MouseButton.LeftButton, pos=QPoint(x, y))
    struck = [entry[2] for entry in log_of(piano) if entry[0] == "on"]
    assert struck == sorted(set(struck))
    assert struck[-1] == 127


def test_the_mouse_glides(piano: Piano) -> None:
    """Drawing the mouse along plays each key in turn, one at a time, and leaving the keys ends the last."""
    keys = piano.layout_now()
    y = 0.9 * piano.height()
    hand.mousePress(piano, Qt.MouseButton.LeftButton, pos=keys.rect(60).center().toPoint() + QPoint(0, 40))
    for note in (62, 64, 65):
        move(piano, QPointF(keys.rect(note).center().x(), y))
    move(piano, QPointF(keys.rect(65).center().x(), piano.height() + 50.0))
    notes = [entry[:2] for entry in log_of(piano)]
    assert notes == [("on", 60), ("off", 60), ("on", 62), ("off", 62), ("on", 64), ("off", 64), ("on", 65), ("off", 65)]


def test_a_note_with_two_hands_on_it_ends_with_the_second(piano: Piano) -> None:
    """A note that mouse and key both hold begins once and ends when both have let go."""
    at = piano.layout_now().rect(60).center().toPoint() + QPoint(0, 30)
    hand.keyPress(piano, Qt.Key.Key_A)
    hand.mousePress(piano, Qt.MouseButton.LeftButton, pos=at)
    hand.keyRelease(piano, Qt.Key.Key_A)
    assert log_of(piano) == [("on", 60, 96)]
    hand.mouseRelease(piano, Qt.MouseButton.LeftButton, pos=at)
    assert log_of(piano) == [("on", 60, 96), ("off", 60)]


def test_the_window_cannot_take_the_pianos_keys(piano: Piano) -> None:
    """A letter that plays is kept from shortcuts, one with Ctrl and one that plays nothing are not."""
    ctrl, none = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.NoModifier
    for key, held, kept in ((Qt.Key.Key_A, none, True), (Qt.Key.Key_A, ctrl, False), (Qt.Key.Key_R, none, False)):
        event = QKeyEvent(QEvent.Type.ShortcutOverride, key, held, "")
        event.ignore()
        QApplication.sendEvent(piano, event)
        assert event.isAccepted() is kept


def test_loudness_and_octave_stay_in_their_range(piano: Piano) -> None:
    """However often the keys are pressed, every key of the two rows stays a note of the piano."""
    for key in (Qt.Key.Key_Z, Qt.Key.Key_X, Qt.Key.Key_C, Qt.Key.Key_V):
        for _ in range(20):
            hand.keyClick(piano, key)
        assert piano.base >= LOWEST
        assert piano.base + SPAN <= HIGHEST
        assert 1 <= piano.velocity <= 127


@pytest.mark.parametrize("width", [200, 330, 640, 1100, 2000])
@pytest.mark.parametrize("base", [24, 60, 84])
def test_every_key_is_found_where_it_is_drawn(width: int, base: int) -> None:
    """At every width and octave the point in the middle of a key's front is that key, and the two rows are there."""
    keys = layout_for(float(width), 100.0, 20.0, base)
    shown = range(keys.first, keys.last + 1)
    assert {base + step for step in LETTERS} <= set(shown)
    for note in shown:
        rect = keys.rect(note)
        found = keys.at(rect.center().x(), rect.bottom() - 2.0)
        assert found is not None
        assert found[0] == note
