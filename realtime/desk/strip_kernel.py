"""The strip's sample by sample loops, compiled: high-pass, gate, compressor, leveller, limiter.

Each kernel works in place on one block and keeps all that it knows in one array of float64, its memory, whose places
are named below: what `realtime.desk.filters` and `realtime.desk.dynamics` set, then what the kernel itself remembers.
Nothing depends on where a block ends: what comes after a stage has gone out is left as it is, even NaN. A walk is four
places: value, goal, change per sample, samples left.

Numba compiles when this module is imported (from its cache on disk, in a fraction of a second), never in the audio
thread. The kernels keep the interpreter's lock: they are over in microseconds, and getting it back could take longer.
One module, because numba's cache notices changes of its own file only. Values under `_NOTHING` (−400 dB) become 0,
since processors are slow with numbers next to nothing; what is not finite counts as 0.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

FloatArray = npt.NDArray[np.float32]
Memory = npt.NDArray[np.float64]

LOUDEST = 100.0  # full scale is 1: nothing that a card or model gives is louder, unless it broke
_NOTHING = 1e-20
_LEAST_DB = 1e-6  # less reduction than half a step of float32 is none
_B = "float32[:], float64[::1]"
_CB = "float32[:, :], float64[::1]"

VALUE, GOAL, CHANGE, LEFT = range(4)

# High-pass: share of the filtered sound (walk), tan(π·f/rate) (walk), the two integrators.
HP_SHARE, HP_CUT, HP_BAND, HP_LOW, HP_PLACES = 0, 4, 8, 9, 10

# Gate: share (walk), input gain (walk), mean squares to open and to close, part of a step of the level, samples of
# hold, steps between closed and open; mean square, hold left, whether open, how far open (0 to 1).
GATE_SHARE, GATE_GAIN = 0, 4
GATE_OPEN_AT, GATE_CLOSE_AT, GATE_PART, GATE_HOLD, GATE_RISE, GATE_FALL = range(8, 14)
GATE_SQUARE, GATE_HELD, GATE_IS_OPEN, GATE_AT, GATE_PLACES = range(14, 19)

# Compressor: share (walk), input gain (walk), make-up in dB (walk), threshold in dB, 1 − 1/ratio, knee in dB, parts of
# a step of level, attack and release; mean square, reduction in dB.
CO_SHARE, CO_GAIN, CO_MAKEUP = 0, 4, 8
CO_DB, CO_SLOPE, CO_KNEE, CO_PART, CO_ATTACK, CO_RELEASE = range(12, 18)
CO_SQUARE, CO_REDUCTION, CO_PLACES = range(18, 21)

# Leveller: share (walk), one over the output gain (walk), target in dB; per tick: parts of a step of the short and the
# long average, most rise and fall of the gain in dB, factor by which louder playing is forgotten; short and long mean
# square, weight of the long one, gain in dB, gain at the last and the next tick, sum of squares and samples since.
LE_SHARE, LE_BEFORE = 0, 4
LE_DB, LE_SHORT_PART, LE_LONG_PART, LE_RISE, LE_FALL, LE_FADE = range(8, 14)
LE_SHORT, LE_LONG, LE_WEIGHT, LE_GAIN_DB, LE_FROM, LE_TO, LE_SUM, LE_COUNT, LE_PLACES = range(14, 23)
TICK = 64  # samples between two looks at the loudness
BOOST_DB, CUT_DB = 20.0, 40.0
FLOOR_DB = 30.0  # so far below the target is silence, and moves nothing
PASSAGE_DB = 15.0  # so far below the playing so far is a decay or a pause

# Limiter: share (walk), ceiling (walk), factor of release per sample, samples of hold; envelope, loudest sample of the
# last hold time, of this one, samples since it began; gain.
LI_SHARE, LI_CEILING = 0, 4
LI_RELEASE, LI_HOLD, LI_ENVELOPE, LI_LAST, LI_THIS, LI_COUNT, LI_GAIN, LI_PLACES = range(8, 16)
KNEE = 10.0 ** (-1.0 / 20.0)  # the limiter bends from 1 dB under its ceiling
_UNDER = 1.0 - 2.0**-23  # rounding to float32 must not lift a sample above the ceiling


@njit("float64(float64[::1], int64)", cache=True)
def walk(memory: Memory, at: int) -> float:
    """One sample further: v = goal − change·left, exactly the goal at the end."""
    left = memory[at + LEFT]
    if left > 0.0:
        left -= 1.0
        memory[at + LEFT] = left
        memory[at] = memory[at + GOAL] - memory[at + CHANGE] * left
    return float(memory[at])


@njit("float64(float64)", cache=True)
def sane(value: float) -> float:
    """The sample, 0 when it is not finite, within ±LOUDEST."""
    if not math.isfinite(value):
        return 0.0
    return max(-LOUDEST, min(LOUDEST, value))


@njit(f"void({_B})", cache=True)
def high_pass(block: FloatArray, memory: Memory) -> None:
    """A state-variable filter by the trapezium rule (Simper 2013), whose cut-off may move while sound runs.

    While the cut-off stands still it is the bilinear transform of the Butterworth high-pass.
    """
    k = math.sqrt(2.0)
    band, low = memory[HP_BAND], memory[HP_LOW]
    for n in range(block.size):
        share = walk(memory, HP_SHARE)
        g = walk(memory, HP_CUT)
        x = sane(block[n])
        a = 1.0 / (1.0 + g * (g + k))
        v3 = x - low
        v1 = a * (band + g * v3)
        v2 = low + g * v1
        band = 2.0 * v1 - band
        low = 2.0 * v2 - low
        band = band if abs(band) > _NOTHING else 0.0
        low = low if abs(low) > _NOTHING else 0.0
        high = x - k * v1 - v2
        if share > 0.0:
            block[n] = x + share * (high - x)
    memory[HP_BAND], memory[HP_LOW] = band, low


@njit(f"void({_B})", cache=True)
def gate(block: FloatArray, memory: Memory) -> None:
    """Open above one level, closed after `hold` below the lower one; the gain is p²(3 − 2p), p walking from 0 to 1."""
    open_at, close_at, hold = memory[GATE_OPEN_AT], memory[GATE_CLOSE_AT], memory[GATE_HOLD]
    part, rise, fall = memory[GATE_PART], memory[GATE_RISE], memory[GATE_FALL]
    square, held, at = memory[GATE_SQUARE], memory[GATE_HELD], memory[GATE_AT]
    is_open = memory[GATE_IS_OPEN] > 0.0
    for n in range(block.size):
        share = walk(memory, GATE_SHARE)
        x = sane(block[n])
        heard = x * walk(memory, GATE_GAIN)
        square += part * (heard * heard - square)
        square = square if square > _NOTHING else 0.0
        if square >= open_at or (is_open and square >= close_at):
            is_open, held = True, hold
        elif is_open:
            held -= 1.0
            is_open = held > 0.0
        at = min(1.0, at + rise) if is_open else max(0.0, at - fall)
        if share > 0.0:
            block[n] = x * (1.0 + share * (at * at * (3.0 - 2.0 * at) - 1.0))
    memory[GATE_SQUARE], memory[GATE_HELD], memory[GATE_AT] = square, held, at
    memory[GATE_IS_OPEN] = 1.0 if is_open else 0.0


@njit(f"float64({_B})", cache=True)
def compress(block: FloatArray, memory: Memory) -> float:
    """Static curve on the RMS level, smoothed in dB (Giannoulis, Massberg, Reiss 2012); the most reduction, in dB.

    For a level o dB over the threshold, knee W: 0 up to −W/2; slope·(o + W/2)² / 2W up to W/2; slope·o beyond.
    """
    threshold, slope, knee = memory[CO_DB], memory[CO_SLOPE], memory[CO_KNEE]
    part, attack, release = memory[CO_PART], memory[CO_ATTACK], memory[CO_RELEASE]
    square, reduction = memory[CO_SQUARE], memory[CO_REDUCTION]
    knee_square = 10.0 ** ((threshold - 0.5 * knee) / 10.0)
    most = 0.0
    for n in range(block.size):
        share = walk(memory, CO_SHARE)
        makeup = walk(memory, CO_MAKEUP)
        x = sane(block[n])
        heard = x * walk(memory, CO_GAIN)
        square += part * (heard * heard - square)
        square = square if square > _NOTHING else 0.0
        wanted = 0.0
        if square > knee_square:
            over = 10.0 * math.log10(square) - threshold
            wanted = slope * (over if over > 0.5 * knee else (over + 0.5 * knee) ** 2 / (2.0 * knee))
        reduction += (attack if wanted > reduction else release) * (wanted - reduction)
        reduction = reduction if reduction > _LEAST_DB else 0.0
        change_db = share * (makeup - reduction)
        most = max(most, share * reduction)
        if share > 0.0:
            block[n] = x if change_db == 0.0 else x * math.exp(change_db * (math.log(10.0) / 20.0))
    memory[CO_SQUARE], memory[CO_REDUCTION] = square, reduction
    return most


@njit("void(float64[::1], int64)", cache=True)
def _tick(memory: Memory, channels: int) -> None:
    """Look at the last TICK samples and say where the gain goes during the next."""
    mean = memory[LE_SUM] / (TICK * channels)
    short = memory[LE_SHORT] + memory[LE_SHORT_PART] * (mean - memory[LE_SHORT])
    short = short if short > _NOTHING else 0.0
    memory[LE_SHORT], memory[LE_SUM], memory[LE_COUNT] = short, 0.0, 0.0
    target, gain_db = memory[LE_DB], memory[LE_GAIN_DB]
    long = memory[LE_LONG] / memory[LE_WEIGHT] if memory[LE_WEIGHT] > 0.0 else 0.0
    if short > 10.0 ** ((target - FLOOR_DB) / 10.0):
        if short > long * 10.0 ** (-PASSAGE_DB / 10.0):
            # The weight takes out what the average's start from zero would say.
            memory[LE_LONG] += memory[LE_LONG_PART] * (short - memory[LE_LONG])
            memory[LE_WEIGHT] += memory[LE_LONG_PART] * (1.0 - memory[LE_WEIGHT])
            long = memory[LE_LONG] / memory[LE_WEIGHT]
            wanted = max(-CUT_DB, min(BOOST_DB, target - 10.0 * math.log10(long)))
            gain_db += max(-memory[LE_FALL], min(memory[LE_RISE], wanted - gain_db))
        else:
            # A soft passage moves nothing at first; when it lasts, the loud one before it is forgotten.
            memory[LE_LONG] *= memory[LE_FADE]
    memory[LE_GAIN_DB] = gain_db
    memory[LE_FROM] = memory[LE_TO]
    memory[LE_TO] = 10.0 ** (gain_db / 20.0)


@njit(f"void({_CB})", cache=True)
def level(out: FloatArray, memory: Memory) -> None:
    """Bring the loudness of all channels together slowly to the target; the gain walks from tick to tick."""
    channels, frames = out.shape
    for n in range(frames):
        share = walk(memory, LE_SHARE)
        before = walk(memory, LE_BEFORE)
        count = memory[LE_COUNT] + 1.0
        gain = memory[LE_FROM] + (memory[LE_TO] - memory[LE_FROM]) * (count / TICK)
        gain = 1.0 + share * (gain - 1.0)
        for c in range(channels):
            x = out[c, n]
            heard = sane(x) * before
            memory[LE_SUM] += heard * heard
            out[c, n] = x * gain
        memory[LE_COUNT] = count
        if count >= TICK:
            _tick(memory, channels)


@njit(f"float64({_CB})", cache=True)
def limit(out: FloatArray, memory: Memory) -> float:
    """Every sample times f(e)/e, e the envelope of all channels together; the least gain of the block.

    e follows a rise at once, holds the loudest sample of one or two hold times, then falls. With ceiling C and knee
    T = C − 1 dB: f(e) = e up to T, beyond it T + (C − T)·(1 − exp(−(e − T)/(C − T))), which has slope 1 at T and never
    reaches C. |x| ≤ e, so |x|·f(e)/e ≤ C. A tone whose half period is under the hold time has a constant e: no bending.
    """
    channels, frames = out.shape
    release, hold = memory[LI_RELEASE], memory[LI_HOLD]
    envelope, gain = memory[LI_ENVELOPE], memory[LI_GAIN]
    before, now, count = memory[LI_LAST], memory[LI_THIS], memory[LI_COUNT]
    least = 1.0
    for n in range(frames):
        moving = memory[LI_CEILING + LEFT] > 0.0
        share = walk(memory, LI_SHARE)
        ceiling = walk(memory, LI_CEILING)
        if share == 0.0:
            continue
        loudest = 0.0
        for c in range(channels):
            magnitude = abs(out[c, n])
            if not magnitude <= LOUDEST:
                out[c, n] = sane(out[c, n])
                magnitude = abs(out[c, n])
            loudest = max(loudest, magnitude)
        now = max(now, loudest)
        held = max(before, now)
        count += 1.0
        if count >= hold:
            before, now, count = now, 0.0, 0.0
        last = envelope
        envelope = max(held, envelope * release)
        envelope = envelope if envelope > _NOTHING else 0.0
        knee = ceiling * KNEE
        if envelope <= knee:
            gain = 1.0
            continue
        if moving or envelope != last:
            room = ceiling - knee
            gain = (knee + room * (1.0 - math.exp((knee - envelope) / room))) / envelope
        factor = 1.0 + share * (gain - 1.0)
        least = min(least, factor)
        for c in range(channels):
            y = out[c, n] * factor
            if share == 1.0:
                y = max(-ceiling * _UNDER, min(ceiling * _UNDER, y))
            out[c, n] = y
    memory[LI_ENVELOPE], memory[LI_GAIN] = envelope, gain
    memory[LI_LAST], memory[LI_THIS], memory[LI_COUNT] = before, now, count
    return least
