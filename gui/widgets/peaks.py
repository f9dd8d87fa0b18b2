"""The outline of a sound at any zoom: lowest, highest and RMS of every pixel, quick also for an hour. Pure; any thread.

Blocks of 256 samples are summed up once; a picture takes blocks where a pixel holds many, else samples.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 256
_AT_ONCE: Final = 1 << 20


class Peaks:
    """Of `samples`, (n,) or (channels, n): the outline of all channels together."""

    def __init__(self, samples: NDArray[np.float32], rate_hz: float) -> None:
        """samples are kept, not copied."""
        sound = np.atleast_2d(np.asarray(samples, dtype=np.float32))
        self.sound, self.rate_hz, self.samples = sound, float(rate_hz), sound.shape[1]
        blocks = -(-self.samples // BLOCK)
        self._low, self._high, self._square = (np.zeros(blocks, dtype=np.float32) for _ in range(3))
        for begin in range(0, self.samples, _AT_ONCE):  # in parts, so that no copy of a long sound is made
            part = sound[:, begin : begin + _AT_ONCE]
            starts = np.arange(0, part.shape[1], BLOCK)
            into = slice(begin // BLOCK, begin // BLOCK + starts.size)
            self._low[into] = np.minimum.reduceat(part, starts, axis=1).min(axis=0)
            self._high[into] = np.maximum.reduceat(part, starts, axis=1).max(axis=0)
            counts = np.diff(np.append(starts, part.shape[1]))
            self._square[into] = (np.add.reduceat(np.square(part), starts, axis=1) / counts).mean(axis=0)

    @property
    def seconds(self) -> float:
        """Length."""
        return self.samples / self.rate_hz if self.rate_hz else 0.0

    @property
    def loudest(self) -> float:
        """The highest magnitude."""
        return float(max(-self._low.min(), self._high.max())) if self.samples else 0.0

    def outline(self, start_s: float, end_s: float, pixels: int) -> NDArray[np.float32]:
        """(3, pixels): lowest, highest, RMS of each pixel from start_s to end_s; beyond the sound silence."""
        found = np.zeros((3, pixels), dtype=np.float32)
        edges = np.linspace(start_s, end_s, pixels + 1) * self.rate_hz
        if not self.samples or pixels < 1:
            return found
        coarse = (edges[1] - edges[0]) >= 2 * BLOCK
        unit, total = (BLOCK, self._low.size) if coarse else (1, self.samples)
        places = np.floor(edges / unit + 1e-6).astype(np.int64)  # seconds times rate may miss a whole by a hair
        inside = (places[:-1] < total) & (places[:-1] >= 0)
        begins = places[:-1][inside]
        if not begins.size:
            return found
        last = int(min(max(places[-1], begins[-1] + 1), total))
        first = int(begins[0])
        if coarse:
            low, high, square = (part[first:last] for part in (self._low, self._high, self._square))
        else:
            part = self.sound[:, first:last]
            low, high, square = part.min(axis=0), part.max(axis=0), np.square(part).mean(axis=0)
        starts = begins - first
        counts = np.maximum(np.diff(np.append(starts, last - first)), 1)
        found[0, inside] = np.minimum.reduceat(low, starts)
        found[1, inside] = np.maximum.reduceat(high, starts)
        found[2, inside] = np.sqrt(np.add.reduceat(square, starts) / counts)
        return found
