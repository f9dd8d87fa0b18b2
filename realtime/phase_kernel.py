"""One frame of real-time phase-gradient heap integration, compiled; `realtime.phase.GradientPhase` calls it.

A Hann window is nearly the Gaussian exp(−πt²/γ), γ = 0.25645·n_fft², for which the phase's gradient follows from the
log magnitude s alone (frames centred on their window; n frame, m bin, a hop, M n_fft):

    along time       ∂φ/∂n (m) =  aM/2γ · (s(m+1, n) − s(m−1, n)) + 2πam/M
    along frequency  ∂φ/∂m (m) = −γ/2aM · (3s(m, n) − 4s(m, n−1) + s(m, n−2))      backward: no frame of look-ahead

The phase spreads by the trapezium rule from the loudest bin known (of this frame or the last) to its neighbours,
loudest first, from a heap. Bins under the tolerance get random phases from a seeded generator, the same on every run.
Magnitudes that are not finite go through to the output, for the chain to see, and leave no trace in the state.

Průša, Søndergaard: Real-time spectrogram inversion using phase gradient heap integration, DAFx 2016; Průša, Holighaus:
Phase vocoder done right, EUSIPCO 2017. Own module, because importing numba takes longer than `retimbre --help` may.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

DoubleArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int64]
SeedArray = npt.NDArray[np.uint64]

HANN_GAMMA = 0.25645
_FLOOR = 1e-10  # −200 dB: the log of silence stays finite
_CEILING = 1e30


@njit(cache=True, nogil=True)
def _push(heap: IndexArray, count: int, keys: DoubleArray, item: int) -> int:
    """Add `item` to the binary heap whose top has the largest key; gives the new count."""
    place = count
    while place > 0:
        parent = (place - 1) >> 1
        if keys[heap[parent]] >= keys[item]:
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = item
    return count + 1


@njit(cache=True, nogil=True)
def _pop(heap: IndexArray, count: int, keys: DoubleArray) -> int:
    """Take the top off a heap of `count` items; gives it."""
    top = heap[0]
    item = heap[count - 1]
    place = 0
    while True:
        child = 2 * place + 1
        if child >= count - 1:
            break
        if child + 1 < count - 1 and keys[heap[child + 1]] > keys[heap[child]]:
            child += 1
        if keys[heap[child]] <= keys[item]:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = item
    return int(top)


@njit(cache=True, nogil=True)
def integrate_frame(
    magnitude: npt.NDArray[np.float32],
    out: npt.NDArray[np.complex64],
    keys: DoubleArray,
    older: DoubleArray,
    phase: DoubleArray,
    time_gradient: DoubleArray,
    frequency_gradient: DoubleArray,
    known: npt.NDArray[np.bool_],
    heap: IndexArray,
    seed: SeedArray,
    n_fft: int,
    hop: int,
    tolerance: float,
) -> None:
    """Give `out` (bins,) the magnitudes (bins,) with phases that continue the last frame.

    State, kept between calls: keys (2·bins,): log magnitudes of the last frame, then of this one; older (bins,): of the
    one before; phase and time_gradient (2, bins): last frame, this frame; seed (1,). Scratch: the other three.
    """
    bins = magnitude.size
    gamma = HANN_GAMMA * n_fft * n_fft
    loudest = 0.0
    for m in range(bins):
        older[m] = keys[m]
        keys[m] = keys[bins + m]
        phase[0, m] = phase[1, m]
        time_gradient[0, m] = time_gradient[1, m]
        # A model's NaN must not live on in the state: every comparison with it is false.
        level = magnitude[m] if _FLOOR < magnitude[m] < _CEILING else _FLOOR
        keys[bins + m] = math.log(level)
        loudest = max(loudest, level)
    for m in range(bins):
        slope = keys[bins + m + 1] - keys[bins + m - 1] if 0 < m < bins - 1 else 0.0
        time_gradient[1, m] = hop * n_fft / (2.0 * gamma) * slope + 2.0 * math.pi * hop * m / n_fft
        bend = 3.0 * keys[bins + m] - 4.0 * keys[m] + older[m]
        frequency_gradient[m] = -gamma / (2.0 * hop * n_fft) * bend

    threshold = max(tolerance * loudest, _FLOOR)
    count = 0
    state = seed[0]
    for m in range(bins):
        known[m] = not (threshold < magnitude[m] < _CEILING)
        if known[m]:
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            phase[1, m] = 2.0 * math.pi * (np.float64(state >> np.uint64(11)) / 9007199254740992.0)
        else:
            count = _push(heap, count, keys, m)
    seed[0] = state

    while count > 0:
        item = _pop(heap, count, keys)
        count -= 1
        if item < bins:
            if not known[item]:
                step = 0.5 * (time_gradient[0, item] + time_gradient[1, item])
                phase[1, item] = phase[0, item] + step
                known[item] = True
                count = _push(heap, count, keys, bins + item)
            continue
        m = item - bins
        if m + 1 < bins and not known[m + 1]:
            phase[1, m + 1] = phase[1, m] + 0.5 * (frequency_gradient[m] + frequency_gradient[m + 1])
            known[m + 1] = True
            count = _push(heap, count, keys, item + 1)
        if m > 0 and not known[m - 1]:
            phase[1, m - 1] = phase[1, m] - 0.5 * (frequency_gradient[m] + frequency_gradient[m - 1])
            known[m - 1] = True
            count = _push(heap, count, keys, item - 1)

    for m in range(bins):
        angle = phase[1, m]
        angle -= 2.0 * math.pi * math.floor(angle / (2.0 * math.pi))
        phase[1, m] = angle
        # Frames start at sample 0, not at the window's centre: that adds πm to bin m, a change of sign of the odd bins.
        level = magnitude[m] if m % 2 == 0 else -magnitude[m]
        out[m] = complex(level * math.cos(angle), level * math.sin(angle))
    # Ends of a real signal's spectrum are real.
    out[0] = out[0].real
    out[bins - 1] = out[bins - 1].real
