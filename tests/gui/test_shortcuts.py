from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtWidgets import QLineEdit, QPlainTextEdit, QPushButton, QSpinBox, QVBoxLayout, QWidget

from gui.shortcuts import SHORTCUTS, TAKES_KEYS, ShortcutKeys, keys_of, spelt

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


@pytest.fixture
def desk(qtbot: QtBot) -> tuple[QWidget, list[str], ShortcutKeys]:
    window, done = QWidget(), list[str]()
    box = QVBoxLayout(window)
    for widget in (QPushButton("button"), QLineEdit(), QPlainTextEdit(), QSpinBox(), QWidget()):
        widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        box.addWidget(widget)
    keys = ShortcutKeys(window, {row.action: partial(done.append, row.action) for row in SHORTCUTS})
    qtbot.addWidget(window)
    with qtbot.waitActive(window):
        window.show()
    return window, done, keys


def child(window: QWidget, kind: type[QWidget]) -> QWidget:
    found = window.findChild(kind)
    assert isinstance(found, QWidget)
    return found


def test_no_key_means_two_things() -> None:
    """Every key of the table is one that Qt knows and is there once."""
    keys = [key for row in SHORTCUTS for key in row.keys]
    assert [key for key, count in Counter(keys).items() if count > 1] == []
    assert [key for key in keys if QKeySequence(key).isEmpty()] == []
    assert keys_of("bypass") == spelt("B")


def test_a_letter_acts_and_is_silent_while_one_types(
    desk: tuple[QWidget, list[str], ShortcutKeys], qtbot: QtBot
) -> None:
    """B bypasses from a button, but in any field of text it writes a b and does nothing else."""
    window, done, _ = desk
    button = child(window, QPushButton)
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_B)
    assert done == ["bypass"]
    for kind in (QLineEdit, QPlainTextEdit, QSpinBox):
        field = child(window, kind)
        field.setFocus()
        for key in (Qt.Key.Key_B, Qt.Key.Key_M, Qt.Key.Key_R, Qt.Key.Key_N, Qt.Key.Key_L, Qt.Key.Key_BracketLeft):
            qtbot.keyClick(field, key)
        qtbot.keyClick(field, Qt.Key.Key_Question, Qt.KeyboardModifier.ShiftModifier)
    line = child(window, QLineEdit)
    assert isinstance(line, QLineEdit) and line.text() == "bmrnl[?"
    assert done == ["bypass"]
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_M)
    assert done == ["bypass", "mute"]


def test_a_keyboard_on_the_screen_keeps_its_letters(
    desk: tuple[QWidget, list[str], ShortcutKeys], qtbot: QtBot
) -> None:
    """A widget that says it takes keys gets them itself."""
    window, done, _ = desk
    piano = next(one for one in window.children() if type(one) is QWidget)
    assert isinstance(piano, QWidget)
    piano.setProperty(TAKES_KEYS, True)
    piano.setFocus()
    qtbot.keyClick(piano, Qt.Key.Key_R)
    assert done == []


def test_page_keys_step_on_stage_only(desk: tuple[QWidget, list[str], ShortcutKeys], qtbot: QtBot) -> None:
    """A page-turner pedal steps through the setlist on the stage screen, and nowhere else."""
    window, done, keys = desk
    button = child(window, QPushButton)
    button.setFocus()
    qtbot.keyClick(button, Qt.Key.Key_PageDown)
    assert done == []
    keys.set_stage(True)
    qtbot.keyClick(button, Qt.Key.Key_PageDown)
    qtbot.keyClick(button, Qt.Key.Key_PageUp)
    assert done == ["next", "previous"]
