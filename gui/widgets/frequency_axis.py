"""The frequency axis that every spectrogram shares: octaves of equal height from C1 to C10, and what lies on each row.

    part 0 (bottom) = C1, 32.7 Hz      part 1 (top) = C10, 16.7 kHz      frequency = C1 · 2^(9 · part)

`LogRows` turns spectra into levels a row: where bins are denser than rows the loudest of them, where they are sparser a
straight line between two; full scale is 0 dB, raised by 3 dB an octave above 1 kHz (and lowered below), which is about
how much music falls. Rows above half the sample rate are empty. Pure; any thread.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

LOWEST_HZ: Final = 440.0 * 2.0 ** (-45 / 12)  # C1
OCTAVES: Final = 9
FLOOR_DB, CEILING_DB = -84.0, -6.0
TILT_DB: Final = 3.0
WINDOW_S: Final = 0.085
AXIS_UNITS: Final = 8  # units of the grid that the names of the notes take, left of the picture
_NAMES: Final = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


def hz_at(part: float) -> float:
    """The frequency at a part of the axis."""
    return float(LOWEST_HZ * 2.0 ** (OCTAVES * part))


def part_of(frequency_hz: float) -> float:
    """Where a frequency lies on the axis; below 0 or above 1 where it does not."""
    return math.log2(frequency_hz / LOWEST_HZ) / OCTAVES


def octave_marks() -> list[tuple[float, str]]:
    """(part, name) of each C."""
    return [(octave / OCTAVES, f"C{octave + 1}") for octave in range(OCTAVES + 1)]


def spelt(frequency_hz: float) -> str:
    """The nearest note and the frequency, such as "A4 · 440 Hz"."""
    note = round(69 + 12 * math.log2(frequency_hz / 440.0))
    hertz = f"{frequency_hz:.0f} Hz" if frequency_hz < 1000 else f"{frequency_hz / 1000:.2f} kHz"
    return f"{_NAMES[note % 12]}{note // 12 - 1} · {hertz}"


def window_samples(rate_hz: float) -> int:
    """Samples under one window: the power of two nearest to `WINDOW_S`."""
    return int(2 ** round(math.log2(rate_hz * WINDOW_S)))


class LogRows:
    """Levels on the rows of an axis, from windows of samples; row 0 is the top."""

    def __init__(self, rate_hz: float, rows: int) -> None:
        """rate_hz: of the samples; rows: height of the picture."""
        self.n_fft, self.rows = window_samples(rate_hz), rows
        window = np.hanning(self.n_fft + 1)[:-1]
        self.window = (window * 2.0 / window.sum()).astype(np.float32)
        edges = LOWEST_HZ * 2.0 ** (OCTAVES * np.arange(rows + 1) / rows) * self.n_fft / rate_hz
        centres = np.sqrt(edges[:-1] * edges[1:])
        self._known = int(np.searchsorted(centres, self.n_fft / 2 - 1))  # rows below half the rate
        edges, centres = edges[: self._known + 1], centres[: self._known]
        self._sparse = int(np.searchsorted(np.diff(edges), 1.0))  # rows narrower than a bin
        left = np.floor(centres[: self._sparse]).astype(np.int64)
        self._left, self._rest = left, (centres[: self._sparse] - left).astype(np.float32)
        self._starts = np.minimum(np.round(edges[self._sparse : self._known]).astype(np.int64), self.n_fft // 2)
        self._end = min(round(float(edges[self._known])), self.n_fft // 2) + 1 if self._known else 1
        octaves = OCTAVES * (np.arange(rows) + 0.5) / rows - math.log2(1000.0 / LOWEST_HZ)
        tilt = TILT_DB * octaves - FLOOR_DB
        self._tilt = tilt[: self._known].astype(np.float32)

    def levels(self, windows: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(…, n_fft) samples to (…, rows) levels: 0 is the floor, 255 the ceiling; top row first."""
        spectra = np.fft.rfft(windows * self.window)
        power = np.square(spectra.real) + np.square(spectra.imag)
        found = np.zeros((*power.shape[:-1], self.rows), dtype=np.uint8)
        if not self._known:
            return found
        low = power[..., self._left] * (1.0 - self._rest) + power[..., self._left + 1] * self._rest
        parts = [low]
        if self._starts.size:
            parts.append(np.maximum.reduceat(power[..., : self._end], self._starts, axis=-1))
        rows = np.concatenate(parts, axis=-1)
        level = 10.0 * np.log10(rows + 1e-12) + self._tilt
        scaled = np.nan_to_num(level * (255.0 / (CEILING_DB - FLOOR_DB)), nan=255.0)
        found[..., : self._known] = np.clip(scaled, 0.0, 255.0)
        return found[..., ::-1]


@lru_cache(maxsize=8)
def log_rows(rate_hz: float, rows: int) -> LogRows:
    """The same one for the same rate and height."""
    return LogRows(rate_hz, rows)
