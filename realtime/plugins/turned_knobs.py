"""Plugin knobs that MIDI has turned, told on at a pace that a window can follow.

    a sweep of a controller, hundreds a second ─▶ turned ─▶ the newest value of each knob ─▶ due, 20 a second ─▶ events

Control thread of the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from realtime.messages import PluginChange
    from realtime.plugins.spec import PluginSpec

EVERY_S: Final = 0.05
"""A knob is told no more often than this; its last value always is."""

_Knob = tuple[str, int, str]


class TurnedKnobs:
    """What was turned and not yet told."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self._clock = clock
        self._waiting: dict[_Knob, PluginChange] = {}
        self._told_s: dict[_Knob, float] = {}

    def turned(self, change: PluginChange, spec: PluginSpec) -> None:
        """A knob was turned; spec: the plugin as it stands now, which may have taken another value (a switch)."""
        value = float(spec.bypass) if change.name == "bypass" else spec.parameters[change.name]
        self._waiting[change.side, change.index, change.name] = replace(change, value=value)

    def due(self) -> list[PluginChange]:
        """What may be told now."""
        if not self._waiting:
            return []
        now = self._clock()
        knobs = [knob for knob in self._waiting if now - self._told_s.get(knob, -EVERY_S) >= EVERY_S]
        self._told_s |= dict.fromkeys(knobs, now)
        return [self._waiting.pop(knob) for knob in knobs]

    def clear(self) -> None:
        """Other plugins play now."""
        self._waiting.clear()
        self._told_s.clear()
