"""What stands in front of the model and behind it, as on a mixing desk, at the sound card's rate.

    card ─▶ high-pass ─▶ gate ─▶ compressor ─▶ [plugins] ─▶ chain: input gain, model, output gain ─▶ [plugins] ─┐
            └──────────── before ─────────┘                                                                     │
    card ◀─ mute ◀─ limiter ◀─ leveller ◀───────────────────────────────────────────────────────────────────────┘
                    └───── after ─────┘

Latency 0. Everything is off by default but the limiter, which leaves what stays under −1 dBFS as it is, bit by bit.
While a stage is off it costs nothing. `Controls.bypass` takes everything out but the limiter. Where blocks end changes
nothing.

The input gain comes later, in the chain; the levels of gate and compressor mean the sound after it, and the leveller's
the sound before the output gain. The audio thread owns a strip; it never raises, waits or makes lasting memory.
"""

from __future__ import annotations

import numpy as np

from realtime.controls import GATE_OFF_DB, Controls
from realtime.desk.dynamics import Compressor, CompressorSettings, Gate, Leveller, Limiter
from realtime.desk.filters import HighPass
from realtime.desk.strip_kernel import FloatArray


class Strip:
    """The stages, their order, and what meters show of them."""

    def __init__(self, rate_hz: int, longest: int) -> None:
        """rate_hz: of the sound card; longest: most frames of one block. At the neutral controls."""
        self.gate_open = True
        """Whether the gate lets sound through; true while it is off."""
        self.reduction_db = 0.0
        """Compressor, leveller and limiter together, the most of the last block; a leveller that adds counts as 0."""
        self._high_pass = HighPass(rate_hz)
        self._gate = Gate(rate_hz)
        self._compressor = Compressor(rate_hz)
        self._leveller = Leveller(rate_hz)
        self._limiter = Limiter(rate_hz)
        self._before = (self._high_pass, self._gate, self._compressor)
        self._after = (self._leveller, self._limiter)
        self.adopt(Controls(), at_once=True)
        # What numba makes at a kernel's first call is made here.
        block, out = np.zeros(min(longest, 64), np.float32), np.zeros((2, min(longest, 64)), np.float32)
        for stage in self._before:
            stage.process(block)
        for behind in self._after:
            behind.process(out)
        self.reset()

    @property
    def leveller_gain_db(self) -> float:
        """What the leveller adds now; negative when it takes away."""
        return self._leveller.gain_db

    def adopt(self, controls: Controls, *, at_once: bool = False) -> None:
        """Go to new controls within 20 ms, or at once where no sound runs yet. For the audio thread, on a change."""
        heard = not controls.bypass
        gain_db = controls.input_gain_db
        self._high_pass.adopt(controls.highpass_hz if heard else 0.0, at_once=at_once)
        self._gate.adopt(
            controls.gate_db,
            controls.gate_hysteresis_db,
            gain_db,
            on=heard and controls.gate_db > GATE_OFF_DB,
            at_once=at_once,
        )
        compression = CompressorSettings(
            on=heard and controls.compressor_db < 0.0,
            threshold_db=controls.compressor_db,
            ratio=controls.compressor_ratio,
            attack_ms=controls.compressor_attack_ms,
            release_ms=controls.compressor_release_ms,
            makeup_db=controls.compressor_makeup_db,
        )
        self._compressor.adopt(compression, gain_db, at_once=at_once)
        on = heard and controls.leveller_db < 0.0
        self._leveller.adopt(controls.leveller_db, controls.output_gain_db, on=on, at_once=at_once)
        self._limiter.adopt(controls.ceiling_db, on=controls.limiter, at_once=at_once)

    def before(self, block: FloatArray) -> None:
        """What the model is to hear, in place, shape (frames,)."""
        for stage in self._before:
            if not stage.idle:
                stage.process(block)
        self.gate_open = self._gate.is_open

    def after(self, out: FloatArray) -> None:
        """What the listener is to hear, in place, shape (channels, frames); the channels stay in balance."""
        for stage in self._after:
            if not stage.idle:
                stage.process(out)
        levelled = max(0.0, -self._leveller.gain_db)
        self.reduction_db = self._compressor.reduction_db + levelled + self._limiter.reduction_db

    def reset(self) -> None:
        """Forget the sound so far; the controls stay."""
        for stage in (*self._before, *self._after):
            stage.reset()
        self.gate_open = self._gate.is_open
        self.reduction_db = 0.0
