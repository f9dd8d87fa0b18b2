"""Streaming pitch and loudness of one player: one frame per hop, no look-ahead.

Pitch is the lag τ at which the newest samples best repeat, by the normalised squared difference (McLeod & Wyvill 2005,
"A smarter way to find pitch"), with a window that is as long as the lag asked about:

    n(τ) = 1 − Σ (x[t] − x[t−τ])² / Σ (x[t]² + x[t−τ]²),   t over the newest max(τ, SHORTEST_WINDOW_S) seconds,

so a high note is known after a few milliseconds and a low one after two of its periods, however low the range begins.
The coarse search runs on the signal decimated to about 12 kHz, one row of partial sums per hop; the lag is then refined
on a multiple of the period at the full rate. Among peaks the shortest lag within PEAK_RATIO of the best one wins, with
a bonus for continuing the pitch of the frame before. Two things may lie behind that period T besides one note of 1/T:

    several notes     they repeat together after a period of none of them. `_first_partial` looks at the partials of
                      1/T over the newest 2 T and takes that multiple k/T whose own partials weigh most,
                          S(k) = Σⱼ j^−SLOPE · √|X(jk/T)|,
                      so the tracker holds the strongest note and not the period they have in common.
    an octave lower   when the even partials are by far the strongest, T looks like a period although 2 T is it;
                      1 − n is then several times as large at T and 3 T as at 2 T (`_alternates`).

A jump by a whole ratio, or an unclear one, must last DOUBTFUL_FRAMES frames before it is believed.

Loudness is the mean square over LOUDNESS_HOPS hops after a first-order 60 Hz high-pass, in dBFS (a full sine is −3 dB).

Runs on whatever thread runs the chain; allocates nothing lasting. Compiled by numba (cached on disk).
Over 300 lines because the rules that choose one pitch must be read together.
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
PEAK_RATIO = 0.96  # lower: fewer octaves too low in rooms; higher: fewer too high on low reeds
CONTINUITY_BONUS = 0.06
COARSE_RATE_HZ = 12_000
DOUBTFUL_FRAMES = 4
UNCLEAR_PERIODICITY = 0.9
VOICED_PERIODICITY = 0.8  # below it the pitch of the frame before is held
# Which partial of a common period is the note: set by listening to a reference tracker on violin double stops, single
# notes of thirteen instruments and reverberant or noisy melodies made of them.
MOST_PARTIALS = 24
PARTIALS_WEIGHED = 12
HIGHEST_PARTIAL_HZ = 5_000.0
PARTIAL_SLOPE = 0.65
FAINT_PARTIAL = 0.003  # of the strongest partial's power: noise and leakage, taken away
CONTINUED_NOTE = 1.05
CLEAR_PERIODICITY, CLEAR_BONUS = 0.97, 10.0  # several notes hardly ever repeat so well: 1 + 10 · (n − 0.97) for k = 1
# When a period and its double are told apart at all, and how many times better the double must fit to be believed.
ALTERNATING_LOWEST_HZ = 180.0
ALTERNATING_WINDOW_S = 0.004
ALTERNATING_DIFFERENCE = 0.004
ALTERNATING_RATIO, ALTERNATING_RATIO_TO_LEAVE = 3.0, 5.0  # the second one when the higher octave was held
ALTERNATING_LEAST = 0.8


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
        window_hops = np.ceil(spans * rate / coarse_hop - 1e-9).astype(np.int64)
        rows = int(window_hops.max())
        self._row_begins = np.searchsorted(window_hops, np.arange(rows), side="right")
        self._partial_difference = np.zeros((rows, self._lags))
        self._partial_energy = np.zeros((rows, self._lags))
        self._score = np.zeros(self._lags)
        self._spare = np.zeros(self._lags)
        history = sample_rate // int(features.f0_min_hz) * 2 + hop * (rows + 2)
        self._full = np.zeros(history + history % factor)
        self._smooth = np.zeros(int(4.2 * sample_rate / min(ALTERNATING_LOWEST_HZ, features.f0_max_hz)) + hop)
        self._coarse = np.zeros(2 * self._lags + coarse_hop)
        self._partials = np.zeros((4, MOST_PARTIALS + 1))
        self._weights = np.arange(1.0, PARTIALS_WEIGHED + 1.0) ** -PARTIAL_SLOPE
        self._highest_hz = 1.03 * features.f0_max_hz
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
        for array in (self._partial_difference, self._partial_energy, self._full, self._smooth):
            array[:] = 0.0
        for array in (self._coarse, self._energies):
            array[:] = 0.0
        self._memory[:] = 0.0
        self._memory[3] = 220.0

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take `hop` samples, return `(3,)`: f0 in Hz, loudness in dBFS, periodicity 0…1 (overwritten by the next)."""
        _push(
            samples,
            self._full,
            self._smooth,
            self._coarse,
            self._partial_difference,
            self._partial_energy,
            self._row_begins,
            self._score,
            self._spare,
            self._partials,
            self._weights,
            self._low_pass,
            self._energies,
            self._memory,
            self._frame,
            self._factor,
            self._shortest,
            self.sample_rate,
            self._high_pass_pole,
            self._highest_hz,
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
    smooth: Any,
    coarse: Any,
    difference: Any,
    energy: Any,
    row_begins: Any,
    score: Any,
    spare: Any,
    partials: Any,
    weights: Any,
    low_pass: Any,
    energies: Any,
    memory: Any,
    frame: Any,
    factor: int,
    shortest: int,
    sample_rate: int,
    pole: float,
    highest_hz: float,
) -> None:
    hop = samples.shape[0]
    length = full.shape[0]
    for i in range(length - hop):
        full[i] = full[i + hop]
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
    taps = low_pass.shape[0]
    kept = smooth.shape[0] - hop
    for i in range(kept):
        smooth[i] = smooth[i + hop]
    fresh = smooth[kept:]
    fresh[:] = 0.0
    for k in range(taps):
        gain, old = low_pass[k], full[length - hop + 1 - taps + k :]
        for i in range(hop):
            fresh[i] += gain * old[i]
    newest = coarse.shape[0] - coarse_hop
    for i in range(newest):
        coarse[i] = coarse[i + coarse_hop]
    for i in range(coarse_hop):
        coarse[newest + i] = smooth[kept + (i + 1) * factor - 1]

    rows = difference.shape[0]
    row = int(memory[0])
    memory[0] = (row + 1) % rows
    power = 0.0
    new = coarse[newest:]
    for i in range(coarse_hop):
        power += new[i] * new[i]
    earlier = power
    for lag in range(lags):
        old = coarse[newest - lag :]  # a view that begins at 0: an index that cannot be negative makes a quick loop
        d = 0.0
        for i in range(coarse_hop):
            d += (new[i] - old[i]) * (new[i] - old[i])
        difference[row, lag] = d
        energy[row, lag] = power + earlier
        enters, leaves = coarse[newest - lag - 1], coarse[newest + coarse_hop - lag - 1]
        earlier = max(0.0, earlier + enters * enters - leaves * leaves)
    # The longer the lag, the more rows: the newest for all of them, the next from some lag up, and so on.
    for lag in range(lags):
        score[lag] = difference[row, lag]
        spare[lag] = energy[row, lag]
    at = row
    for older in range(1, rows):
        at = at - 1 if at else rows - 1
        begin = row_begins[older]
        some, other = difference[at], energy[at]
        for lag in range(begin, lags):
            score[lag] += some[lag]
            spare[lag] += other[lag]
    for lag in range(lags):
        score[lag] = 1.0 - score[lag] / (spare[lag] + 1e-9)

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
    period = chosen + _vertex(score[chosen - 1], score[chosen], score[chosen + 1])
    rate = sample_rate / factor
    number = _first_partial(
        coarse, period, periodicity, partials, weights, rate, highest_hz, memory[3] if tracking else 0.0
    )
    half = 0.5 * period if number == 2 else period
    if number <= 2 and ALTERNATING_LOWEST_HZ * half < rate and 2.0 * half < lags - 2:
        # An octave is not taken or left on a whim: which pitch was held says how clear the case must be.
        lower_held = tracking and abs(previous_lag - 2.0 * half) < 0.1 * half
        upper_held = tracking and abs(previous_lag - half) < 0.05 * half
        ratio = ALTERNATING_RATIO_TO_LEAVE if upper_held else ALTERNATING_RATIO
        # Two notes with a common period fit half of it far worse than one note with strong even partials does.
        asked = number == 1 or (lower_held and score[int(np.round(half))] > ALTERNATING_LEAST)
        if asked and _alternates(smooth, half * factor, factor, sample_rate, ratio):
            half *= 2.0
    lag_found = period / number if number > 2 else half
    # A jump to a multiple or a fraction of the period is as likely a passing error as a leap: it must last.
    ratio = max(lag_found / previous_lag, previous_lag / lag_found)
    doubtful = ratio > 1.9 and abs(ratio - np.round(ratio)) < 0.05 * ratio
    doubtful = doubtful or (ratio > 1.12 and periodicity < UNCLEAR_PERIODICITY)
    memory[5] = memory[5] + 1.0 if tracking and doubtful else max(0.0, memory[5] - 1.0)
    if tracking and doubtful and memory[5] < DOUBTFUL_FRAMES:
        frame[0] = memory[3]
        frame[2] = max(0.0, periodicity)
        return
    if periodicity > VOICED_PERIODICITY - (0.1 if tracking else 0.0):
        memory[5] = 0.0
        exact, clarity = _refine(full, period * factor, factor, sample_rate)
        memory[3] = sample_rate / exact * period / lag_found
        periodicity = max(periodicity, clarity)  # coarse lags miss the peak of a high note
    memory[4] = periodicity
    frame[0] = memory[3]
    frame[2] = max(0.0, periodicity)


@njit(cache=True, nogil=True, fastmath=FAST)
def _first_partial(
    coarse: Any,
    period: float,
    periodicity: float,
    partials: Any,
    weights: Any,
    rate: float,
    highest_hz: float,
    previous_hz: float,
) -> int:
    """Which partial of `period` (coarse samples) is the first of the strongest note: 1 when there is but one note.

    A Hann window of exactly two periods parts neighbouring partials; Goertzel's recursion runs for all of them at once.
    """
    most = min(partials.shape[1] - 1, int(highest_hz * period / rate))
    if most < 2:
        return 1
    count = min(partials.shape[1] - 1, int(HIGHEST_PARTIAL_HZ * period / rate))
    samples = min(int(2.0 * period), coarse.shape[0])
    start = coarse.shape[0] - samples
    angle = 2.0 * np.pi / period
    double, before, last, size = partials[0], partials[1], partials[2], partials[3]
    for h in range(1, count + 1):
        double[h] = 2.0 * np.cos(angle * h)
        before[h] = 0.0
        last[h] = 0.0
    turn = 2.0 * np.cos(0.5 * angle)
    cosine, cosine_before = np.cos(0.25 * angle), np.cos(0.25 * angle)
    for i in range(samples):
        x = coarse[start + i] * (0.5 - 0.5 * cosine)
        cosine, cosine_before = turn * cosine - cosine_before, cosine
        for h in range(1, count + 1):
            new = x + double[h] * last[h] - before[h]
            before[h] = last[h]
            last[h] = new
    strongest = 0.0
    for h in range(1, count + 1):
        size[h] = max(0.0, last[h] * last[h] + before[h] * before[h] - double[h] * last[h] * before[h])
        strongest = max(strongest, size[h])
    for h in range(1, count + 1):
        size[h] = np.sqrt(np.sqrt(max(0.0, size[h] - FAINT_PARTIAL * strongest)))
    best, first = 0.0, 1
    for k in range(1, min(most, count) + 1):
        weight = 0.0
        for j in range(min(weights.shape[0], count // k)):
            weight += weights[j] * size[(j + 1) * k]
        if previous_hz > 0.0 and abs(k * rate / period - previous_hz) < 0.04 * previous_hz:
            weight *= CONTINUED_NOTE
        if k == 1:
            weight *= 1.0 + CLEAR_BONUS * max(0.0, periodicity - CLEAR_PERIODICITY)
        if weight > best:
            best, first = weight, k
    return first


@njit(cache=True, nogil=True, fastmath=FAST)
def _alternates(smooth: Any, period: float, factor: int, sample_rate: int, ratio: float) -> bool:
    """Whether every other period is `ratio` times more alike than neighbours are: the note is an octave lower then."""
    span = int(max(period, ALTERNATING_WINDOW_S * sample_rate))
    once, at = _unlikeness(smooth, span, period, factor // 2 + 1)
    if once < ALTERNATING_DIFFERENCE:
        return False
    twice, at = _unlikeness(smooth, span, 2.0 * at, 1)
    if once < ratio * twice:
        return False
    thrice, at = _unlikeness(smooth, span, 1.5 * at, 1)
    return thrice > ratio * twice


@njit(cache=True, nogil=True, fastmath=FAST)
def _unlikeness(smooth: Any, span: int, lag: float, reach: int) -> tuple[float, float]:
    """The least 1 − n over the newest `span` samples within `reach` of `lag`, and the lag where it is, interpolated."""
    length = smooth.shape[0]
    first = int(np.round(lag)) - reach - 1
    if first < 1 or first + 2 * reach + 3 + span > length:
        return 0.0, lag
    left, middle, right = 2.0, 2.0, 2.0
    least, at, before = 2.0, 0, 2.0
    now, earlier = 1e-12, 0.0
    new, old = smooth[length - span :], smooth[length - span - first :]
    for i in range(span):
        now += new[i] * new[i]
        earlier += old[i] * old[i]
    for j in range(2 * reach + 3):
        old = smooth[length - span - first - j :]
        d = 0.0
        for i in range(span):
            d += (new[i] - old[i]) * (new[i] - old[i])
        value = d / (now + earlier)
        enters, leaves = smooth[length - span - first - j - 1], smooth[length - 1 - first - j]
        earlier = max(0.0, earlier + enters * enters - leaves * leaves)
        if at == j - 1 and j > 1:
            right = value
        if value < least and 0 < j < 2 * reach + 2:
            left, middle, least, at = before, value, value, j
        before = value
    if left + right <= 2.0 * middle:
        return middle, float(first + at)
    shift = _vertex(-left, -middle, -right)
    return max(1e-9, middle - 0.25 * (left - right) * shift), first + at + shift


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
    now, earlier = 1e-12, 0.0
    new, old = full[length - span :], full[length - span - centre + reach :]
    for i in range(span):
        now += new[i] * new[i]
        earlier += old[i] * old[i]
    for j in range(2 * reach + 1):
        lag = centre - reach + j
        old = full[length - span - lag :]
        d = 0.0
        for i in range(span):
            d += (new[i] - old[i]) * (new[i] - old[i])
        values[j] = 1.0 - d / (now + earlier)
        enters, leaves = full[length - span - lag - 1], full[length - 1 - lag]
        earlier = max(0.0, earlier + enters * enters - leaves * leaves)
        if values[j] > best:
            best, best_lag = values[j], j
    if best_lag == 0 or best_lag == 2 * reach:
        return period, best
    shift = _vertex(values[best_lag - 1], values[best_lag], values[best_lag + 1])
    return (centre - reach + best_lag + shift) / multiple, best
