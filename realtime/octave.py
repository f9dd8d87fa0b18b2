"""Which whole octaves to add, so that a player in any register is heard in the register of the target.

    cost(k) = semitones by which (median of the recent pitches + 12·k) lies outside the target's range

The shift of least cost is taken, the smallest shift among equals. It may change only where the playing rests (silence
or noise for RESTING_MS) and only when the median has left the range by more than MARGIN_SEMITONES, so that a melody
across the border never flips back and forth. At the very beginning there is nothing to take a median of: while fewer
than SETTLING_MS of pitch have been heard at all, the choice follows them at once.

A function of the frames alone: live and file conversion make the same choice. Runs on the chain's thread.
"""

from __future__ import annotations

import math

import numpy as np

RESTING_MS = 50.0
SETTLING_MS = 40.0
MEMORY_S = 3.0
MARGIN_SEMITONES = 4.0
MOST_OCTAVES = 4
VOICED_PERIODICITY = 0.75
SILENCE_DB = -70.0


class OctaveChooser:
    """Told every frame's pitch, says how many octaves to add to it."""

    def __init__(self, frames_per_second: float) -> None:
        """Starts as after `reset`, with no range: then the shift is 0."""
        self._resting_frames = max(1, round(frames_per_second * RESTING_MS / 1000.0))
        self._settling_frames = max(1, round(frames_per_second * SETTLING_MS / 1000.0))
        self._pitches = np.zeros(max(8, round(frames_per_second * MEMORY_S)))
        self._range: tuple[float, float] | None = None
        self._transpose = 0.0
        self.octaves = 0
        self._heard = self._rested = 0
        self.reset()

    def reset(self) -> None:
        """Forget every pitch and the choice."""
        self.octaves = 0
        self._heard, self._rested = 0, self._resting_frames

    def aim(self, low_hz: float | None, high_hz: float | None, transpose_semitones: float) -> None:
        """The range to reach (None: none, always 0 octaves) by pitches already moved by `transpose_semitones`."""
        self._range = None if low_hz is None or high_hz is None else (_semitones(low_hz), _semitones(high_hz))
        self._transpose = transpose_semitones

    def push(self, f0_hz: float, periodicity: float, loudness_db: float) -> int:
        """One frame of the player's pitch; the octaves to add to it."""
        if self._range is None:
            return 0
        if periodicity < VOICED_PERIODICITY or loudness_db < SILENCE_DB:
            self._rested += 1
            return self.octaves
        self._pitches[self._heard % self._pitches.size] = _semitones(f0_hz)
        self._heard += 1
        if self._rested >= self._resting_frames or self._heard <= self._settling_frames:
            self._choose()
        self._rested = 0
        return self.octaves

    def _choose(self) -> None:
        median = float(np.median(self._pitches[: min(self._heard, self._pitches.size)])) + self._transpose
        shifts = range(-MOST_OCTAVES, MOST_OCTAVES + 1)
        best = min(shifts, key=lambda octaves: (self._cost(median, octaves), abs(octaves)))
        now = self._cost(median, self.octaves)
        settling = self._heard <= self._settling_frames
        if now > (0.0 if settling else MARGIN_SEMITONES) and self._cost(median, best) < now:
            self.octaves = best

    def _cost(self, semitones: float, octaves: int) -> float:
        assert self._range is not None  # `push` has looked
        moved = semitones + 12.0 * octaves
        return max(0.0, self._range[0] - moved, moved - self._range[1])


def _semitones(frequency_hz: float) -> float:
    return 12.0 * math.log2(frequency_hz)


def blended_range(
    ranges: list[tuple[float | None, float | None]], weights: list[float]
) -> tuple[float | None, float | None]:
    """The range of a blend: the weighted mean, in semitones, over the targets that declare one; else (None, None)."""
    pairs = zip(ranges, weights, strict=True)
    known = [(low, high, weight) for (low, high), weight in pairs if low and high and weight]
    total = sum(weight for _, _, weight in known)
    if not known or total <= 0.0:
        return None, None
    low = sum(math.log2(low) * weight for low, _, weight in known) / total
    high = sum(math.log2(high) * weight for _, high, weight in known) / total
    return 2.0**low, 2.0**high
