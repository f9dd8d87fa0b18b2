"""Undo of what was done to the plugins: one step for a change of the chain, one for a turn of a knob.

    PluginsStep   both sides as they were and as they became: add, remove, move, preset
    TurnStep      one knob or bypass of one plugin; a drag through many values is one step

GUI thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication, QUndoCommand

from gui.undo import HELD_PAUSE_S, PAUSE_S

if TYPE_CHECKING:
    from realtime.messages import Side
    from realtime.plugins.spec import PluginSpec

    Sides = tuple[tuple[PluginSpec, ...], tuple[PluginSpec, ...]]
    Where = tuple[Side, int, str]

_ID: Final = 2  # 1 is gui.undo's


class PluginsStep(QUndoCommand):
    """Other plugins around the model."""

    def __init__(self, words: str, before: Sides, after: Sides, put: Callable[[Sides], None]) -> None:
        """before, after: the change; put: has the plugins loaded."""
        super().__init__(words)
        self.before, self.after = before, after
        self.refused = False
        """The engine could not load them: there is nothing to take back."""
        self._put = put

    def redo(self) -> None:
        """Do it, or do it again."""
        self.refused = False
        self._put(self.after)

    def undo(self) -> None:
        """Take it back."""
        if self.refused:
            self.setObsolete(True)
        else:
            self._put(self.before)


class TurnStep(QUndoCommand):
    """One knob, before and after a gesture."""

    def __init__(
        self, where: Where, words: str, before: float, after: float, turn: Callable[[Where, float], None]
    ) -> None:
        """where: side, place and symbol; turn: takes a value to the engine."""
        super().__init__(words)
        self.where, self.before, self.after = where, before, after
        self._turn = turn
        self.last_s = time.monotonic()
        self.held = QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton

    def redo(self) -> None:
        """Do it, or do it again."""
        self._turn(self.where, self.after)

    def undo(self) -> None:
        """Take it back."""
        self.last_s = 0.0  # what is turned next is a gesture of its own
        self._turn(self.where, self.before)

    def id(self) -> int:
        """Steps of this kind may merge."""
        return _ID

    def mergeWith(self, other: QUndoCommand | None) -> bool:  # noqa: N802
        """Take in the next value of the same knob where it belongs to the same gesture."""
        if not isinstance(other, TurnStep) or other.where != self.where or self.where[2] == "bypass":
            return False
        longest = HELD_PAUSE_S if self.held and other.held else PAUSE_S
        if other.held != self.held or other.last_s - self.last_s > longest:
            return False
        self.after, self.last_s = other.after, other.last_s
        self.setObsolete(self.after == self.before)
        return True
