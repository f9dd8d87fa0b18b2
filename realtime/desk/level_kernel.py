"""Peak and power of a block, into the meters: compiled, because the audio callback does it for every block, twice.

    peak ← max(|x|, peak · fall)        rms² ← rms² · (1 − part) + mean(x²) · part

Audio callback; it makes no memory. Compiled when the module is imported, never in the callback.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit("float64(float32[::1], float64[::1], int64, int64, float64, float64)", cache=True)
def show_level(
    block: NDArray[np.float32], numbers: NDArray[np.float64], peak: int, rms: int, fall: float, part: float
) -> float:
    """Meter `block` (frames,) at the places `peak` and `rms` of `numbers`; its highest magnitude comes back.

    fall: what is left of the peak shown after this block; part: the block's weight in the mean power.
    """
    highest, power = 0.0, 0.0
    for sample in block:
        magnitude = abs(float(sample))
        highest = max(highest, magnitude)
        power += magnitude * magnitude
    numbers[peak] = max(highest, numbers[peak] * fall)
    power /= max(1, block.size)
    numbers[rms] = math.sqrt(max(0.0, numbers[rms] ** 2 * (1.0 - part) + power * part))
    return highest
