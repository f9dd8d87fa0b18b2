"""From a sound that was made to the sound it was made from and back, without a click, even when the first one fails.

    out[n] = g[n] · wet[n] + (1 − g[n]) · dry[n],      g walks between 0 and 1 along straight lines

When a block of the wet sound is missing, g cannot walk down over it. Then the last wet samples are played backwards
while g falls: what is heard goes on where it was, with its own colour, until the dry sound has taken over. A wet sound
that comes back earlier waits for that. Owned by the thread that calls `mix`; makes no lasting memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realtime.controls import Smoother

FloatArray = NDArray[np.float32]


class WetDry:
    """The two sounds of one place in a chain; it begins with the wet one."""

    def __init__(self, channels: int, fade_samples: int, longest: int, *, wet: bool = True) -> None:
        """fade_samples: how long a walk takes; longest: the most frames of a block; wet: which it begins with."""
        self._gain = Smoother(1.0 if wet else 0.0, fade_samples, longest)
        self._fade = max(1, fade_samples)
        self._last = np.zeros((channels, self._fade), np.float32)  # in a circle; the oldest is at `_oldest`
        self._oldest = 0
        self._gap = True  # whether what comes next does not follow on what is remembered
        self._tail = np.zeros((channels, self._fade), np.float32)
        self._spare = np.zeros((channels, longest), np.float32)
        self._tail_from: int | None = None

    @property
    def dry(self) -> bool:
        """Whether nothing but the dry sound is heard, and will be without a new goal."""
        return self._gain.settled and self._gain.goal == 0.0

    def passes(self, wet: FloatArray | None, *, want_wet: bool = True) -> bool:
        """Whether `mix` would give this wet block as it is; then it need not be called."""
        if wet is None or not want_wet or self._tail_from is not None or self._gain.goal != 1.0:
            return False
        if not self._gain.settled:
            return False
        self._remember(wet)
        return True

    def mix(self, wet: FloatArray | None, dry: FloatArray, out: FloatArray, *, want_wet: bool = True) -> None:
        """Write one block, (channels, frames) each; wet None: there is none. `out` may be `wet`, not `dry`."""
        frames = dry.shape[1]
        if wet is None and self._tail_from is None and not self.dry:
            newest_first = self._last[:, ::-1]
            self._tail[:, : self._oldest] = newest_first[:, self._fade - self._oldest :]
            self._tail[:, self._oldest :] = newest_first[:, : self._fade - self._oldest]
            self._tail_from = 0
        fading = self._tail_from is not None
        self._gain.to(1.0 if want_wet and wet is not None and not fading else 0.0)
        if wet is None:
            self._gap = True
        else:
            self._remember(wet)
        if self._gain.settled:
            out[:] = dry if self._gain.goal == 0.0 or wet is None else wet
            return
        gain = self._gain.fill(frames)
        source = self._next_tail(frames) if fading or wet is None else wet
        np.subtract(source, dry, out=out)
        np.multiply(out, gain, out=out)
        np.add(out, dry, out=out)
        if fading and self._gain.value == 0.0:
            self._tail_from = None

    def _next_tail(self, frames: int) -> FloatArray:
        source = self._spare[:, :frames]
        begin = self._tail_from or 0
        count = min(frames, self._fade - begin)
        source[:, :count] = self._tail[:, begin : begin + count]
        source[:, count:] = 0.0
        self._tail_from = begin + count
        return source

    def _remember(self, wet: FloatArray) -> None:
        frames, begin = wet.shape[1], self._oldest
        if frames >= self._fade:
            self._last[:] = wet[:, frames - self._fade :]
            self._oldest, self._gap = 0, False
            return
        if self._gap:
            self._last[:] = wet[:, :1]  # a tail may not run back over the gap
            self._gap = False
        end = begin + frames
        if end <= self._fade:
            self._last[:, begin:end] = wet
        else:
            self._last[:, begin:] = wet[:, : self._fade - begin]
            self._last[:, : end - self._fade] = wet[:, self._fade - begin :]
        self._oldest = end % self._fade
