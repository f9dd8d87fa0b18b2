"""Undo of what the player turned: one step for one gesture, however many values it ran through.

    set_controls(mix=0.9), set_controls(mix=0.8), …   while a slider is dragged   ─▶  one step "mix"

Steps name only the controls that they changed, so undoing one leaves alone what MIDI, a preset or another hand has
turned since. GUI thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication, QUndoCommand

PAUSE_S: Final = 0.7
"""A pause so long ends a gesture of keys or the wheel."""
HELD_PAUSE_S: Final = 3.0
"""While a mouse button is held a hand may rest as long as this."""
_ID: Final = 1


class ControlsStep(QUndoCommand):
    """Some controls, before and after a gesture."""

    def __init__(
        self, before: Mapping[str, Any], after: Mapping[str, Any], apply: Callable[[Mapping[str, Any]], None]
    ) -> None:
        """before, after: the same names; apply: takes them to the engine."""
        super().__init__(", ".join(name.replace("_", " ") for name in after))
        self.before, self.after = dict(before), dict(after)
        self._apply = apply
        self._fresh = True  # the change is under way already when the step is pushed
        self.last_s = time.monotonic()
        self.held = QGuiApplication.mouseButtons() != Qt.MouseButton.NoButton

    def redo(self) -> None:
        """Do it again."""
        if self._fresh:
            self._fresh = False
            return
        self._apply(self.after)

    def undo(self) -> None:
        """Take it back."""
        self.last_s = 0.0  # what is turned next is a gesture of its own
        self._apply(self.before)

    def id(self) -> int:
        """Steps of this kind may merge."""
        return _ID

    def mergeWith(self, other: QUndoCommand | None) -> bool:  # noqa: N802
        """Take in the next change where it belongs to the same gesture."""
        if not isinstance(other, ControlsStep) or other.after.keys() != self.after.keys():
            return False
        longest = HELD_PAUSE_S if self.held and other.held else PAUSE_S
        if other.held != self.held or other.last_s - self.last_s > longest:
            return False
        self.after = other.after
        self.last_s = other.last_s
        self.setObsolete(self.after == self.before)
        return True
