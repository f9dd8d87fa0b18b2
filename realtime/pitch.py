"""Streaming pitch and loudness of one player: one frame per hop, no look-ahead.

Pitch is the lag τ at which the newest samples best repeat, by the normalised squared difference (McLeod & Wyvill 2005,
"A smarter way to find pitch"), with a window that is as long as the lag asked about:

    n(τ) = 1 − Σ (x[t] − x[t−τ])² / Σ (x[t]² + x[t−τ]²),   t over the newest max(τ, SHORTEST_WINDOW_S) seconds,

so a high note is known after a few milliseconds and a low one after two of its periods, however low the range begins.
The coarse search runs on the signal decimated to about 12 kHz, one row of partial sums per hop; the lag is then refined
on a multiple of the period at the full rate. Among peaks the shortest lag within PEAK_RATIO of the best one wins (this
is what stops octave errors downwards), with a bonus for continuing the pitch of the frame before; a jump by a whole
ratio, or an unclear one, must last DOUBTFUL_FRAMES frames before it is believed.

Loudness is the mean square over LOUDNESS_HOPS hops after a first-order 60 Hz high-pass, in dBFS (a full sine is −3 dB).

Runs on whatever thread runs the chain; allocates nothing per frame. Compiled by numba (cached on disk).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from realtime.errors import ConfigError
from realtime.features import PitchLoudnessFeatures

# All that fast arithmetic may assume except that no NaN or infinity comes: the input can hold both.
FAST = {"contract", "reassoc", "arcp", "nsz"}
SILENCE_DB = -100.0
LOUDNESS_HOPS = 4
SHORTEST_WINDOW_S = 0.008
PEAK_RATIO = 0.9  # lower: fewer octaves too low in rooms; higher: fewer too high on low reeds
CONTINUITY_BONUS = 0.06
COARSE_RATE_HZ = 12_000
DOUBTFUL_FRAMES = 4
UNCLEAR_PERIODICITY = 0.9
VOICED_PERIODICITY = 0.8  # below it the pitch of the frame before is held


class PitchLoudnessTracker:
    """`push` one hop of mono samples, get `(f0_hz, loudness_db, periodicity)`; f0 is held while nothing repeats."""

    def __init__(self, sample_rate: int, features: PitchLoudnessFeatures) -> None:
        hop = features.hop
        factor = max(1, sample_rate // COARSE_RATE_HZ)
        if hop % factor:
            raise ConfigError(
                f"A pitch hop of {hop} samples does not divide by {factor}; choose a multiple at {sample_rate} Hz."
            )
        self.sample_rate = sample_rate
        self.hop = hop
        self._factor = factor
        rate = sample_rate / factor
        self._lags = int(np.ceil(rate / features.f0_min_hz)) + 2
        self._shortest = max(2, int(np.floor(rate / features.f0_max_hz)) - 1)
        coarse_hop = hop // factor
        lags = np.arange(self._lags)
        spans = np.maximum(lags / rate, SHORTEST_WINDOW_S)
        self._window_hops = np.ceil(spans * rate / coarse_hop - 1e-9).astype(np.int64)
        rows = int(self._window_hops.max())
        self._partial_difference = np.zeros((rows, self._lags))
        self._partial_energy = np.zeros((rows, self._lags))
        self._score = np.zeros(self._lags)
        history = sample_rate // int(features.f0_min_hz) * 2 + hop * (rows + 2)
        self._full = np.zeros(history + history % factor)
        self._coarse = np.zeros(self._lags + coarse_hop)
        # A windowed-sinc low-pass for the decimation, short because its delay is the tracker's.
        taps = 4 * factor
        n = np.arange(taps) - (taps - 1) / 2
        low_pass = np.sinc(n / factor * 0.9) * np.hanning(taps + 2)[1:-1]
        self._low_pass = low_pass / low_pass.sum()
        self._high_pass_pole = float(np.exp(-2 * np.pi * 60.0 / sample_rate))
        self._energies = np.zeros(LOUDNESS_HOPS)
        # row, high-pass input, high-pass output, f0_hz, periodicity, frames that a doubtful jump has lasted
        self._memory = np.zeros(6)
        self._frame = np.zeros(3, np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget everything heard."""
        for array in (self._partial_difference, self._partial_energy, self._full, self._coarse, self._energies):
            array[:] = 0.0
        self._memory[:] = 0.0
        self._memory[3] = 220.0

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take `hop` samples, return `(3,)`: f0 in Hz, loudness in dBFS, periodicity 0…1 (overwritten by the next)."""
        _push(
            samples,
            self._full,
            self._coarse,
            self._partial_difference,
            self._partial_energy,
            self._window_hops,
            self._score,
            self._low_pass,
            self._energies,
            self._memory,
            self._frame,
            self._factor,
            self._shortest,
            self.sample_rate,
            self._high_pass_pole,
        )
        return self._frame

    def track(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the frames `(3, len(signal) // hop)` of a mono signal, as `push` would give them after a reset."""
        self.reset()
        count = len(signal) // self.hop
        frames = np.empty((3, count), np.float32)
        for index in range(count):
            frames[:, index] = self.push(signal[index * self.hop : (index + 1) * self.hop])
        return frames


@njit(cache=True, nogil=True, fastmath=FAST)
def _push(
    samples: Any,
    full: Any,
    coarse: Any,
    difference: Any,
    energy: Any,
    window_hops: Any,
    score: Any,
    low_pass: Any,
    energies: Any,
    memory: Any,
    frame: Any,
    factor: int,
    shortest: int,
    sample_rate: int,
    pole: float,
) -> None:
    hop = samples.shape[0]
    length = full.shape[0]
    full[: length - hop] = full[hop:].copy()
    # High-pass: no pitch and no loudness in rumble and offsets.
    last_in, last_out, sum_of_squares = memory[1], memory[2], 0.0
    for i in range(hop):
        value = samples[i]
        if not np.isfinite(value):
            value = 0.0
        last_out = pole * last_out + 0.5 * (1.0 + pole) * (value - last_in)
        last_in = value
        full[length - hop + i] = last_out
        sum_of_squares += last_out * last_out
    memory[1], memory[2] = last_in, last_out
    energies[:-1] = energies[1:].copy()
    energies[-1] = sum_of_squares
    mean_square = energies.sum() / (hop * energies.shape[0])
    frame[1] = max(SILENCE_DB, 10.0 * np.log10(mean_square + 1e-12))

    coarse_hop = hop // factor
    lags = score.shape[0]
    coarse[:lags] = coarse[coarse_hop:].copy()
    taps = low_pass.shape[0]
    for i in range(coarse_hop):
        end = length - hop + (i + 1) * factor
        total = 0.0
        for k in range(taps):
            total += low_pass[k] * full[end - taps + k]
        coarse[lags + i] = total

    rows = difference.shape[0]
    row = int(memory[0])
    memory[0] = (row + 1) % rows
    for lag in range(lags):
        d = 0.0
        e = 0.0
        for i in range(coarse_hop):
            a = coarse[lags + i]
            b = coarse[lags + i - lag]
            d += (a - b) * (a - b)
            e += a * a + b * b
        difference[row, lag] = d
        energy[row, lag] = e
    for lag in range(lags):
        d = 0.0
        e = 0.0
        at = row
        for _ in range(window_hops[lag]):
            d += difference[at, lag]
            e += energy[at, lag]
            at = at - 1 if at else rows - 1
        score[lag] = 1.0 - d / (e + 1e-9)

    # Lags at which n(τ) peaks, the previous pitch favoured.
    previous_lag = sample_rate / factor / memory[3]
    tracking = memory[4] > VOICED_PERIODICITY
    # Every signal resembles itself at short lags: peaks count only after n(τ) has once fallen.
    first = 1
    while first < lags - 1 and score[first] > 0.5:
        first += 1
    first = max(first, shortest)
    best = 0.0
    for lag in range(first, lags - 1):
        if score[lag] > score[lag - 1] and score[lag] >= score[lag + 1]:
            value = score[lag]
            if tracking and abs(lag - previous_lag) < 1.0 + 0.04 * previous_lag:
                value += CONTINUITY_BONUS
            best = max(best, value)
    chosen = 0
    for lag in range(first, lags - 1):
        if score[lag] > score[lag - 1] and score[lag] >= score[lag + 1]:
            value = score[lag]
            if tracking and abs(lag - previous_lag) < 1.0 + 0.04 * previous_lag:
                value += CONTINUITY_BONUS
            if value >= PEAK_RATIO * best and value > 0.3:
                chosen = lag
                break
    if chosen == 0 or mean_square < 1e-9:
        frame[0] = memory[3]
        frame[2] = 0.0
        memory[4] = 0.0
        return
    periodicity = min(1.0, score[chosen])
    # A jump to a multiple or a fraction of the period is as likely a passing error as a leap: it must last.
    ratio = max(chosen / previous_lag, previous_lag / chosen)
    doubtful = ratio > 1.9 and abs(ratio - np.round(ratio)) < 0.05 * ratio
    doubtful = doubtful or (ratio > 1.12 and periodicity < UNCLEAR_PERIODICITY)
    memory[5] = memory[5] + 1.0 if tracking and doubtful else max(0.0, memory[5] - 1.0)
    if tracking and doubtful and memory[5] < DOUBTFUL_FRAMES:
        frame[0] = memory[3]
        frame[2] = max(0.0, periodicity)
        return
    if periodicity > VOICED_PERIODICITY - (0.1 if tracking else 0.0):
        shift = _vertex(score[chosen - 1], score[chosen], score[chosen + 1])
        memory[5] = 0.0
        period, clarity = _refine(full, (chosen + shift) * factor, factor, sample_rate)
        memory[3] = sample_rate / period
        periodicity = max(periodicity, clarity)  # coarse lags miss the peak of a high note
    memory[4] = periodicity
    frame[0] = memory[3]
    frame[2] = max(0.0, periodicity)


@njit(cache=True, nogil=True, fastmath=FAST)
def _vertex(left: float, middle: float, right: float) -> float:
    """Where a parabola through three equidistant values peaks, −0.5…0.5 from the middle one."""
    curvature = left - 2.0 * middle + right
    if curvature >= 0.0:
        return 0.0
    return max(-0.5, min(0.5, 0.5 * (left - right) / curvature))


@njit(cache=True, nogil=True, fastmath=FAST)
def _refine(full: Any, period: float, factor: int, sample_rate: int) -> tuple[float, float]:
    """The period in samples and n(τ) there, from the best repetition over a whole number of periods near `period`."""
    length = full.shape[0]
    span = int(max(period, SHORTEST_WINDOW_S * sample_rate))
    multiple = max(1, int(SHORTEST_WINDOW_S * sample_rate / period))
    centre = round(period * multiple)
    reach = factor + 1
    if centre + reach + span + 1 > length:
        return period, 0.0
    best, best_lag = -2.0, centre
    values = np.zeros(2 * reach + 1)
    for j in range(2 * reach + 1):
        lag = centre - reach + j
        d = 0.0
        e = 1e-12
        for i in range(length - span, length):
            a = full[i]
            b = full[i - lag]
            d += (a - b) * (a - b)
            e += a * a + b * b
        values[j] = 1.0 - d / e
        if values[j] > best:
            best, best_lag = values[j], j
    if best_lag == 0 or best_lag == 2 * reach:
        return period, best
    shift = _vertex(values[best_lag - 1], values[best_lag], values[best_lag + 1])
    return (centre - reach + best_lag + shift) / multiple, best
