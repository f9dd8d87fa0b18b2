from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing import Any

    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge


def test_one_gesture_is_one_step(quiet_bridge: Bridge) -> None:
    """A drag through many values is undone in one step and redone in one."""
    for part in range(1, 11):
        quiet_bridge.set_controls(mix=1.0 - part / 20)
    assert quiet_bridge.undo_stack.count() == 1
    quiet_bridge.undo_stack.undo()
    assert quiet_bridge.controls.mix == 1.0
    quiet_bridge.undo_stack.redo()
    assert quiet_bridge.controls.mix == 0.5


def test_a_pause_begins_another_step(quiet_bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pause the same control makes a step of its own."""
    now = [100.0]
    monkeypatch.setattr("gui.undo.time.monotonic", lambda: now[0])
    quiet_bridge.set_controls(mix=0.9)
    now[0] += 0.5
    quiet_bridge.set_controls(mix=0.8)
    now[0] += 1.0
    quiet_bridge.set_controls(mix=0.7)
    assert quiet_bridge.undo_stack.count() == 2
    quiet_bridge.undo_stack.undo()
    assert quiet_bridge.controls.mix == 0.8


def test_other_controls_are_left_alone(quiet_bridge: Bridge) -> None:
    """Undoing one control keeps what another was turned to meanwhile."""
    quiet_bridge.set_controls(mix=0.5)
    quiet_bridge.set_controls(input_gain_db=-6.0)
    quiet_bridge.undo_stack.undo()
    quiet_bridge.undo_stack.undo()
    assert (quiet_bridge.controls.mix, quiet_bridge.controls.input_gain_db) == (1.0, 0.0)
    quiet_bridge.undo_stack.redo()
    assert (quiet_bridge.controls.mix, quiet_bridge.controls.input_gain_db) == (0.5, 0.0)


def test_there_and_back_leaves_no_step(quiet_bridge: Bridge) -> None:
    """A gesture that ends where it began is no step."""
    quiet_bridge.set_controls(mix=0.5)
    quiet_bridge.set_controls(mix=1.0)
    assert not quiet_bridge.undo_stack.canUndo()


def test_what_cannot_be_is_refused_where_it_happened(quiet_bridge: Bridge, notices: list[Any], qtbot: QtBot) -> None:
    """A control out of its range changes nothing, is no step, and is a sentence on the Play panel."""
    quiet_bridge.set_controls(mix=7.0)
    assert quiet_bridge.controls.mix == 1.0 and not quiet_bridge.undo_stack.canUndo()
    assert [(notice.place, notice.severity) for notice in notices] == [("play", "error")]
