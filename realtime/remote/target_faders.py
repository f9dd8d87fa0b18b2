"""One fader per target, whose heights stay where they were put while the blend they make is scaled to sum 1.

    heights  violin 0.5, flute 1.0   ─▶ weights 1/3, 2/3        then violin 1.0   ─▶ 1/2, 1/2

`Controls.target` alone cannot say that: it holds the scaled weights. Any one thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


class TargetFaders:
    """Remembers heights for as long as nobody else changes the blend or the model."""

    def __init__(self) -> None:
        self._heights: dict[str, float] = {}
        self._made: tuple[float, ...] | None = None

    def move(
        self, names: Sequence[str], blend: tuple[float, ...] | None, name: str, height: float
    ) -> tuple[float, ...] | None:
        """The new blend when the fader `name`, one of `names`, goes to `height` (0 or more); `blend` is the present.

        None while all faders are down: then the blend stays until one goes up.
        """
        if list(self._heights) != list(names) or not _alike(blend, self._made):
            self._heights = dict(zip(names, weights_of(blend, len(names)), strict=True))
        self._heights[name] = height
        total = sum(self._heights.values())
        self._made = blend
        if not 0 < total < math.inf:
            return None
        self._made = tuple(value / total for value in self._heights.values())
        return self._made


def weights_of(blend: Sequence[float] | None, count: int) -> list[float]:
    """The weights of `count` targets; none chosen means the first one."""
    return list(blend) if blend is not None and len(blend) == count else [1.0, *[0.0] * (count - 1)][:count]


def _alike(one: Sequence[float] | None, other: Sequence[float] | None) -> bool:
    """Whether two blends are the same; scaling to sum 1 again moves a last digit."""
    if one is None or other is None:
        return one is other
    return len(one) == len(other) and all(math.isclose(a, b, abs_tol=1e-9) for a, b in zip(one, other, strict=True))
