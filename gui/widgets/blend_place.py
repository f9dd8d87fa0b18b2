"""Where a mixture of targets lies on a plane, and which mixture lies where. Pure; any thread.

    target k of n stands at angle −90° + 360°·k / n on the unit circle (y downward, the first at the top)
    weight k at a place:  (1 / d_k²) / Σ (1 / d_j²),  d_k the distance to target k

So a target's own place is that target alone, exactly; the middle is all in equal parts; in between it is smooth. Not
every mixture has a place: `place_of` finds the one whose mixture is nearest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_AT = 1e-6
_SEARCHED = 25  # points a side of the first search
_ROUNDS = 6


def target_places(count: int) -> NDArray[np.float64]:
    """(count, 2): x and y of each target on the unit circle."""
    angles = -math.pi / 2 + 2 * math.pi * np.arange(count) / max(1, count)
    return np.stack((np.cos(angles), np.sin(angles)), axis=-1)


def weights_at(place: Sequence[float], targets: NDArray[np.float64]) -> tuple[float, ...]:
    """The mixture at a place; its sum is 1."""
    squares = np.square(targets - np.asarray(place, dtype=np.float64)).sum(axis=1)
    nearest = int(squares.argmin())
    if squares[nearest] < _AT**2:
        return tuple(float(k == nearest) for k in range(len(targets)))
    near = 1.0 / squares
    return tuple(float(weight) for weight in near / near.sum())


def place_of(weights: Sequence[float], targets: NDArray[np.float64]) -> tuple[float, float]:
    """The place whose mixture is nearest to `weights`: a search on a grid that closes in."""
    wanted = np.asarray(weights, dtype=np.float64)
    largest = int(wanted.argmax())
    if wanted[largest] > 1.0 - 1e-9:
        return float(targets[largest, 0]), float(targets[largest, 1])
    middle, reach = np.zeros(2), 1.0
    for _ in range(_ROUNDS):
        steps = np.linspace(-reach, reach, _SEARCHED)
        points = middle + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        points = points[np.square(points).sum(axis=1) <= 1.0 + 1e-9]
        squares = np.square(points[:, None, :] - targets[None]).sum(axis=2)
        near = 1.0 / np.maximum(squares, _AT**2)
        mixtures = near / near.sum(axis=1, keepdims=True)
        middle = points[int(np.square(mixtures - wanted).sum(axis=1).argmin())]
        reach *= 0.25
    return float(middle[0]), float(middle[1])


def inside(place: Sequence[float]) -> tuple[float, float]:
    """The place, or the nearest one on the circle."""
    x, y = place
    far = math.hypot(x, y)
    return (x / far, y / far) if far > 1.0 else (x, y)
