"""The running guard against howling: a microphone that hears the loudspeaker makes the level grow without end.

    level of 100 ms windows      growing: it rose by 10 dB within a second, in at least 8 of 10 steps, and stands
    above -6 dBFS
                                 standing: it stood above -3 dBFS (a full-scale sine) for a second

Both thresholds are louder than instruments are played into a converter, so that a crescendo passes. Pure arithmetic on
levels; the engine's control thread feeds it.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

WINDOW_S = 0.1
_STEPS = 10
_GROWTH_DB, _GROWN_ABOVE_DB, _STANDING_ABOVE_DB = 10.0, -6.0, -3.0


class HowlGuard:
    """Watches the output's level; `push` says when it howls."""

    def __init__(self) -> None:
        """Begin with silence behind."""
        self._levels: deque[float] = deque(maxlen=_STEPS + 1)

    def push(self, level_db: float) -> bool:
        """Take the RMS level in dBFS of the next window of `WINDOW_S`; true when the sound howls."""
        self._levels.append(level_db)
        levels = list(self._levels)
        if len(levels) <= _STEPS:
            return False
        if min(levels[1:]) > _STANDING_ABOVE_DB:
            return True
        steps = [later - earlier for earlier, later in pairwise(levels)]
        steady = sum(step > 0 for step in steps) >= _STEPS - 2 and min(steps) > -1.0
        return steady and levels[-1] > _GROWN_ABOVE_DB and levels[-1] - levels[0] >= _GROWTH_DB

    def reset(self) -> None:
        """Forget what was heard (after the output was muted or opened)."""
        self._levels.clear()
