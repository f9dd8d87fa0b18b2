"""The stages of the strip that change level: gate and compressor before the model, leveller and limiter after it.

    gate        ─╱▔▔▔▔▔▔╲__   opens within 2 ms above its level; closes over 100 ms once the level was for 50 ms below
                              the lower one (hysteresis), so that no level makes it chatter
    compressor  out ▏  .-'    soft knee of 6 dB, then 1 dB out for `ratio` dB in; its level is RMS over 5 ms
                    ▏.'
    leveller    slow gain toward a loudness: down 12 dB a second, up 4 dB a second, never for silence or decay
    limiter     bends from 1 dB under the ceiling, at once; holds 15 to 30 ms, lets go in 80 ms; without look-ahead, so
                that it costs no latency; no sample above the ceiling, ever

Levels are RMS in dBFS: a full sine is −3. The arithmetic is in `realtime.desk.strip_kernel`, the words of the
settings in `realtime.controls`. Audio thread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from realtime.controls import db_to_gain
from realtime.desk import strip_kernel as kernel
from realtime.desk.stage import Stage
from realtime.desk.strip_kernel import FloatArray

LEVEL_MS = 5.0
GATE_ATTACK_MS, GATE_HOLD_MS, GATE_RELEASE_MS = 2.0, 50.0, 100.0
KNEE_DB = 6.0
LEVELLER_SHORT_MS, LEVELLER_LONG_MS = 50.0, 1500.0
LEVELLER_RISE_DB_PER_S, LEVELLER_FALL_DB_PER_S, LEVELLER_FADE_DB_PER_S = 4.0, 12.0, 3.0
LIMITER_HOLD_MS, LIMITER_RELEASE_MS = 15.0, 80.0


class Gate(Stage):
    """Silence where the level is low."""

    def __init__(self, rate_hz: int) -> None:
        """rate_hz: of the blocks."""
        super().__init__(kernel.GATE_PLACES, (kernel.GATE_SHARE, kernel.GATE_GAIN), rate_hz)
        memory = self.memory
        memory[kernel.GATE_PART] = self.part(LEVEL_MS)
        memory[kernel.GATE_HOLD] = self.samples(GATE_HOLD_MS)
        memory[kernel.GATE_RISE] = 1.0 / self.samples(GATE_ATTACK_MS)
        memory[kernel.GATE_FALL] = 1.0 / self.samples(GATE_RELEASE_MS)

    @property
    def is_open(self) -> bool:
        """Whether sound passes; also true while the gate is off."""
        return self.idle or bool(self.memory[kernel.GATE_IS_OPEN] > 0.0)

    def adopt(
        self, level_db: float, hysteresis_db: float, input_gain_db: float, *, on: bool, at_once: bool = False
    ) -> None:
        """Open above `level_db`, closed below `level_db − hysteresis_db`, both of the sound after `input_gain_db`."""
        memory = self.memory
        if on and self.idle and not at_once:
            # A gate that comes in while somebody plays begins open; at the start of a stream it begins closed.
            memory[kernel.GATE_IS_OPEN] = memory[kernel.GATE_AT] = 1.0
            memory[kernel.GATE_HELD] = memory[kernel.GATE_HOLD]
        memory[kernel.GATE_OPEN_AT] = 10.0 ** (level_db / 10.0)
        memory[kernel.GATE_CLOSE_AT] = 10.0 ** ((level_db - hysteresis_db) / 10.0)
        self.walk(kernel.GATE_GAIN, db_to_gain(input_gain_db), at_once=at_once or self.idle)
        self.turn(on=on, at_once=at_once)

    def process(self, block: FloatArray) -> None:
        """In place, shape (frames,)."""
        kernel.gate(block, self.memory)
        self.rest()

    def forget(self) -> None:
        """Closed, in silence."""
        for place in (kernel.GATE_SQUARE, kernel.GATE_HELD, kernel.GATE_IS_OPEN, kernel.GATE_AT):
            self.memory[place] = 0.0


@dataclass(frozen=True, slots=True)
class CompressorSettings:
    """As the controls of the same names say; `on` false: no compression."""

    on: bool
    threshold_db: float
    ratio: float
    attack_ms: float
    release_ms: float
    makeup_db: float


class Compressor(Stage):
    """Less difference between loud and soft."""

    def __init__(self, rate_hz: int) -> None:
        """rate_hz: of the blocks."""
        super().__init__(kernel.CO_PLACES, (kernel.CO_SHARE, kernel.CO_GAIN, kernel.CO_MAKEUP), rate_hz)
        self.memory[kernel.CO_PART] = self.part(LEVEL_MS)
        self.memory[kernel.CO_KNEE] = KNEE_DB
        self.reduction_db = 0.0
        """The most of the last block, make-up not counted."""

    def adopt(self, settings: CompressorSettings, input_gain_db: float, *, at_once: bool = False) -> None:
        """New settings; the threshold is meant after `input_gain_db`."""
        memory = self.memory
        fresh = at_once or self.idle
        memory[kernel.CO_DB] = settings.threshold_db
        memory[kernel.CO_SLOPE] = 1.0 - 1.0 / settings.ratio
        memory[kernel.CO_ATTACK] = self.part(settings.attack_ms)
        memory[kernel.CO_RELEASE] = self.part(settings.release_ms)
        self.walk(kernel.CO_MAKEUP, settings.makeup_db, at_once=fresh)
        self.walk(kernel.CO_GAIN, db_to_gain(input_gain_db), at_once=fresh)
        self.turn(on=settings.on, at_once=at_once)

    def process(self, block: FloatArray) -> None:
        """In place, shape (frames,)."""
        self.reduction_db = kernel.compress(block, self.memory)
        self.rest()

    def forget(self) -> None:
        """No level, no reduction."""
        self.memory[kernel.CO_SQUARE] = self.memory[kernel.CO_REDUCTION] = self.reduction_db = 0.0


class Leveller(Stage):
    """The same loudness over minutes; nothing quieter than 30 dB under the target moves it, and no decay of a note."""

    def __init__(self, rate_hz: int) -> None:
        """rate_hz: of the blocks."""
        super().__init__(kernel.LE_PLACES, (kernel.LE_SHARE, kernel.LE_BEFORE), rate_hz)
        memory, seconds = self.memory, kernel.TICK / rate_hz
        memory[kernel.LE_SHORT_PART] = -math.expm1(-1000.0 * seconds / LEVELLER_SHORT_MS)
        memory[kernel.LE_LONG_PART] = -math.expm1(-1000.0 * seconds / LEVELLER_LONG_MS)
        memory[kernel.LE_RISE] = LEVELLER_RISE_DB_PER_S * seconds
        memory[kernel.LE_FALL] = LEVELLER_FALL_DB_PER_S * seconds
        memory[kernel.LE_FADE] = 10.0 ** (-LEVELLER_FADE_DB_PER_S * seconds / 10.0)
        self.forget()

    @property
    def gain_db(self) -> float:
        """What it adds now."""
        return 0.0 if self.idle else float(self.memory[kernel.LE_GAIN_DB])

    def adopt(self, target_db: float, output_gain_db: float, *, on: bool, at_once: bool = False) -> None:
        """Aim at `target_db`, measured before `output_gain_db`, which therefore stays the volume."""
        self.memory[kernel.LE_DB] = target_db
        self.walk(kernel.LE_BEFORE, db_to_gain(-output_gain_db), at_once=at_once or self.idle)
        self.turn(on=on, at_once=at_once)

    def process(self, out: FloatArray) -> None:
        """In place, shape (channels, frames)."""
        kernel.level(out, self.memory)
        self.rest()

    def forget(self) -> None:
        """Nothing heard, no gain."""
        self.memory[kernel.LE_SHORT : kernel.LE_PLACES] = 0.0
        self.memory[kernel.LE_FROM] = self.memory[kernel.LE_TO] = 1.0


class Limiter(Stage):
    """Nothing above the ceiling."""

    def __init__(self, rate_hz: int) -> None:
        """rate_hz: of the blocks."""
        super().__init__(kernel.LI_PLACES, (kernel.LI_SHARE, kernel.LI_CEILING), rate_hz)
        self.memory[kernel.LI_RELEASE] = 1.0 - self.part(LIMITER_RELEASE_MS)
        self.memory[kernel.LI_HOLD] = self.samples(LIMITER_HOLD_MS)
        self.reduction_db = 0.0
        """The most of the last block."""

    def adopt(self, ceiling_db: float, *, on: bool, at_once: bool = False) -> None:
        """New ceiling in dBFS of single samples."""
        self.walk(kernel.LI_CEILING, db_to_gain(ceiling_db), at_once=at_once or self.idle)
        self.turn(on=on, at_once=at_once)

    def process(self, out: FloatArray) -> None:
        """In place, shape (channels, frames)."""
        gain = kernel.limit(out, self.memory)
        self.reduction_db = 0.0 if gain == 1.0 else -20.0 * math.log10(gain)
        self.rest()

    def forget(self) -> None:
        """No envelope."""
        self.memory[kernel.LI_ENVELOPE : kernel.LI_PLACES] = self.reduction_db = 0.0
        self.memory[kernel.LI_GAIN] = 1.0
