"""Garbage is collected on the GUI thread alone.

    any thread makes garbage ── Python's own collector is off ──▶ a timer of the GUI thread collects in its stead

Python collects on whatever thread happens to fill the count. Where a widget lies in a circle of references, that would
be the thread that destroys it, and Qt does not survive that. GUI thread.
"""

from __future__ import annotations

import gc
from typing import Final

from PyQt6.QtCore import QObject, QTimer

LOOK_MS: Final = 500


class Collection(QObject):
    """Collects from when it is made until `end`."""

    def __init__(self, parent: QObject | None = None) -> None:
        """From now on."""
        super().__init__(parent)
        self._was_on = gc.isenabled()
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(collect)
        self._timer.start()

    def end(self) -> None:
        """Leave it to Python again."""
        self._timer.stop()
        if self._was_on:
            gc.enable()


def collect() -> None:
    """Collect what Python would have collected by now: the oldest generation whose count is full."""
    full = [
        age for age, (count, most) in enumerate(zip(gc.get_count(), gc.get_threshold(), strict=True)) if count > most
    ]
    if full:
        gc.collect(full[-1])
