"""The strip's high-pass: second-order Butterworth, 12 dB per octave, −3 dB at the cut-off.

             s²                     rumble, hum and the thumps of a microphone stand are no music; a model that never
    H(s) = ─────────── , s = jf/fc  heard them in training does something strange with them
           s² + √2s + 1

Digital by the bilinear transform with the cut-off kept in place (as `scipy.signal.butter`); the cut-off may move while
sound runs. Audio thread.
"""

from __future__ import annotations

import math

from realtime.desk import strip_kernel as kernel
from realtime.desk.stage import Stage
from realtime.desk.strip_kernel import FloatArray

_HIGHEST_PART = 0.45  # of the sample rate: the tangent of the bilinear transform has no value at half of it


class HighPass(Stage):
    """Removes what lies below a frequency."""

    def __init__(self, rate_hz: int) -> None:
        """rate_hz: of the blocks."""
        super().__init__(kernel.HP_PLACES, (kernel.HP_SHARE, kernel.HP_CUT), rate_hz)

    def adopt(self, cutoff_hz: float, *, at_once: bool = False) -> None:
        """New cut-off in Hz; 0: off."""
        if cutoff_hz > 0.0:
            cut = math.tan(math.pi * min(cutoff_hz / self.rate_hz, _HIGHEST_PART))
            # A filter that comes in has nothing to walk from.
            self.walk(kernel.HP_CUT, cut, at_once=at_once or self.idle)
        self.turn(on=cutoff_hz > 0.0, at_once=at_once)

    def process(self, block: FloatArray) -> None:
        """In place, shape (frames,)."""
        kernel.high_pass(block, self.memory)
        self.rest()

    def forget(self) -> None:
        """Empty the integrators."""
        self.memory[kernel.HP_BAND] = self.memory[kernel.HP_LOW] = 0.0
