"""What a level meter shows of the levels that it is told: fall, hold and clip by the clock. Pure; any thread.

peak rises at once and falls 20 dB a second; RMS is smoothed over 0.3 s; the hold line stays 1.5 s, then falls too;
clip stays until it is cleared. `place` is the scale of IEC 60268-18: linear in parts, wide near full scale.
"""

from __future__ import annotations

import itertools
import math
from typing import Final

FLOOR_DB: Final = -70.0
FALL_DB_PER_S: Final = 20.0
HOLD_S: Final = 1.5
RMS_S: Final = 0.3
CLIP: Final = 0.9999
_SCALE: Final = ((-70.0, 0.0), (-60.0, 0.025), (-50.0, 0.075), (-40.0, 0.15), (-30.0, 0.3), (-20.0, 0.5), (0.0, 1.0))


def to_db(level: float) -> float:
    """Decibels of a linear level, no lower than the floor; what is not a number counts as silence."""
    return max(20.0 * math.log10(level), FLOOR_DB) if level > 0 and math.isfinite(level) else FLOOR_DB


def place(level_db: float) -> float:
    """Where a level stands on the scale, 0 to 1."""
    for (low, low_part), (high, high_part) in itertools.pairwise(_SCALE):
        if level_db <= high:
            return low_part + max(0.0, (level_db - low) / (high - low)) * (high_part - low_part)
    return 1.0


class Ballistics:
    """Levels in dB as they are shown: `peak_db`, `rms_db`, `hold_db`, `most_db` (since the last clear), `clipped`."""

    def __init__(self) -> None:
        """Silence."""
        self.clear()

    def clear(self) -> None:
        """Silence, nothing held, no clip."""
        self.peak_db = self.rms_db = self.hold_db = self.most_db = FLOOR_DB
        self.clipped = False
        self._square = 0.0
        self._held_until = self._now = -math.inf

    def clear_clip(self) -> None:
        """The lamp off, the highest peak forgotten."""
        self.clipped, self.most_db = False, self.peak_db

    def hear(self, peak: float, rms: float, now_s: float) -> None:
        """One more moment: linear levels, and the time of a clock that never goes back."""
        passed = now_s - self._now if math.isfinite(self._now) else 0.0
        self._now = now_s
        heard = to_db(peak)
        self.peak_db = max(heard, self.peak_db - FALL_DB_PER_S * passed, FLOOR_DB)
        square = rms * rms if math.isfinite(rms) else 0.0
        kept = math.exp(-passed / RMS_S) if passed > 0 else 0.0
        self._square = kept * self._square + (1.0 - kept) * square
        self.rms_db = to_db(math.sqrt(self._square))
        if heard >= self.hold_db:
            self.hold_db, self._held_until = heard, now_s + HOLD_S
        elif now_s > self._held_until:
            self.hold_db = max(self.peak_db, self.hold_db - FALL_DB_PER_S * passed)
        self.most_db = max(self.most_db, heard)
        self.clipped = self.clipped or peak >= CLIP or (peak != 0 and not math.isfinite(peak))
