"""The tuner: what note is played, how many cents beside it, and how loud.

    samples ─▶ hops of about 10 ms ─▶ realtime.pitch: which note ─▶ periods counted over 50 ms: how many cents

The tracker finds the period p at once and in the right octave, but from a few milliseconds. The last tenth of a second
is then compared with itself shifted by p, 2p, 4p …: at m·p an error of p shows m times as large, so that each doubling
halves it, and noise averages out. Vibrato and strings that are not quite periodic stop the doubling where the sound no
longer repeats. Runs on the control thread, fed from a ring; the compiled parts give the interpreter free meanwhile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.features import PitchLoudnessFeatures
from realtime.pitch import COARSE_RATE_HZ, SILENCE_DB, PitchLoudnessTracker

FloatArray = npt.NDArray[np.float32]

LOWEST_HZ, HIGHEST_HZ = 26.0, 4500.0  # of a piano's 88 keys, and a little more
NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_QUIETEST_DB = -70.0
_CLEAR = 0.85  # a periodicity worth a name
_NEEDED_HOPS = 3  # a note is named once it has lasted
_HELD_HOPS = 5  # and stays a moment where it is unclear
_LONGEST_LAG_S = 0.05
_TRACKED_TO_HZ = 1200.0  # above it the tracker's few samples per period may mean two or three periods


@dataclass(frozen=True, slots=True)
class TunerReading:
    """f0_hz is None, `note` empty and `cents` 0 while there is no clear pitch; `level_db` as in pitch."""

    f0_hz: float | None
    note: str
    cents: float
    level_db: float


class Tuner:
    """`push` sound, look at `reading` as often as the display wants it."""

    def __init__(self, rate_hz: int, a4_hz: float = 440.0) -> None:
        """rate_hz: of the blocks; a4_hz: concert pitch."""
        self.rate_hz, self.a4_hz = rate_hz, a4_hz
        factor = max(1, rate_hz // COARSE_RATE_HZ)
        hop = factor * max(1, round(0.01 * rate_hz / factor))
        features = PitchLoudnessFeatures(hop=hop, delay_samples=0, f0_min_hz=LOWEST_HZ, f0_max_hz=HIGHEST_HZ)
        self._tracker = PitchLoudnessTracker(rate_hz, features)
        self._hop, self._filled = np.zeros(hop, np.float32), 0
        self._past = np.zeros(int(rate_hz * (2 * _LONGEST_LAG_S + 0.01)), np.float32)
        self._tracker.push(self._hop)  # compiled before sound comes
        self.reset()

    @property
    def reading(self) -> TunerReading:
        """What sounds now."""
        if self._f0_hz is None or self._clear_hops < _NEEDED_HOPS:
            return TunerReading(None, "", 0.0, self._level_db)
        period = sharpen(self._past, self.rate_hz / self._f0_hz, self.rate_hz)
        f0_hz = self.rate_hz / period
        note, cents = nearest_note(f0_hz, self.a4_hz)
        return TunerReading(f0_hz, note, cents, self._level_db)

    def push(self, block: FloatArray) -> None:
        """Take mono samples, shape (frames,), any number."""
        hop, begin = self._hop, 0
        while begin < block.size:
            taken = min(block.size - begin, hop.size - self._filled)
            hop[self._filled : self._filled + taken] = block[begin : begin + taken]
            self._filled += taken
            begin += taken
            if self._filled == hop.size:
                self._filled = 0
                self._hear(hop)

    def reset(self) -> None:
        """Forget everything heard."""
        self._tracker.reset()
        self._past[:] = 0.0
        self._filled = self._clear_hops = self._unclear_hops = 0
        self._f0_hz: float | None = None
        self._level_db = SILENCE_DB

    def _hear(self, hop: FloatArray) -> None:
        self._past[: -hop.size] = self._past[hop.size :]
        self._past[-hop.size :] = hop
        f0_hz, level_db, periodicity = (float(value) for value in self._tracker.push(hop))
        self._level_db = level_db
        if periodicity >= _CLEAR and level_db > _QUIETEST_DB:
            self._f0_hz = f0_hz
            self._clear_hops += 1
            self._unclear_hops = 0
            return
        self._unclear_hops += 1
        if self._unclear_hops > _HELD_HOPS or level_db <= _QUIETEST_DB:
            self._f0_hz, self._clear_hops = None, 0


def nearest_note(f0_hz: float, a4_hz: float = 440.0) -> tuple[str, float]:
    """Name and octave of the nearest note in equal temperament ("A4", "C♯2"), and the cents beside it, −50 to 50."""
    semitones = 69.0 + 12.0 * math.log2(f0_hz / a4_hz)
    nearest = round(semitones)
    return f"{NAMES[nearest % 12]}{nearest // 12 - 1}", 100.0 * (semitones - nearest)


@njit("UniTuple(float64, 2)(float32[::1], float64, float64, int64)", cache=True, nogil=True)
def _best_lag(past: FloatArray, around: float, reach: float, span: int) -> tuple[float, float]:
    """The lag within `reach` of `around` at which the newest `span` samples repeat best, and n(τ) there (see pitch)."""
    length = past.size
    first, last = max(2, int(around - reach)), math.ceil(around + reach)
    before = middle = score = 0.0
    best, best_score = around, -1.0
    for lag in range(first - 1, last + 2):
        if lag + span > length:
            break
        difference, energy = 0.0, 1e-12
        for n in range(length - span, length):
            a, b = np.float64(past[n]), np.float64(past[n - lag])
            difference += (a - b) * (a - b)
            energy += a * a + b * b
        before, middle, score = middle, score, 1.0 - difference / energy
        if lag > first and middle >= before and middle >= score and middle > best_score:
            bend = before - 2.0 * middle + score
            shift = 0.5 * (before - score) / bend if bend < 0.0 else 0.0
            best, best_score = lag - 1 + shift, middle - 0.25 * (before - score) * shift
    return best, best_score


@njit("float64(float32[::1], float64, float64)", cache=True, nogil=True)
def sharpen(past: FloatArray, period: float, rate_hz: float) -> float:
    """The period in samples that the newest sound has, sought around `period` (to 5 %) and, if short, parts of it.

    With NaN in the sound every comparison is false, and the period stays as it is.
    """
    longest = _LONGEST_LAG_S * rate_hz
    span = int(max(0.5 * longest, min(period, longest)))
    period, score = _best_lag(past, period, 0.05 * period + 1.0, span)
    if score < 0.0:
        return period
    for part in (3.0, 2.0):
        if _TRACKED_TO_HZ < rate_hz / period * part < HIGHEST_HZ:
            shorter, clarity = _best_lag(past, period / part, 0.03 * period / part + 1.0, span)
            if clarity > 0.9 * score:
                period, score = shorter, clarity
                break
    count = 1.0
    while 2.0 * count * period <= longest:
        lag, clarity = _best_lag(past, 2.0 * count * period, 2.0, span)
        if clarity < 0.8 * score:
            break
        count *= 2.0
        period = lag / count
    return period
