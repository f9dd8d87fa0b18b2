"""A plucked string: Karplus and Strong's loop with exact tuning, compiled.

    pluck ─▶(+)─▶ line of d samples ─▶ one-pole low-pass (b) ─▶ × g ─┬─▶ sound
             ▲                                                       │
             └───────────────────────────────────────────────────────┘     d + τ(b, f₀) = rate / f₀

The delay is fractional (Lagrange, six points, flat far above the ear's concern), and τ, the low-pass's phase delay at
the note's own frequency, is taken off it, so every note is in tune. b and g follow from two times of decay by 60 dB: of
the fundamental and of the partials near 5 kHz. The pluck is the force of a string released at PLACE of its length, a
rectangle of zero mean, rounded by a low-pass that opens with velocity, plus the noise of the nail. The same notes give
the same samples every time. Thread: the audio thread; compiled or loaded from the cache when this module is imported.

Karplus, Strong: Digital synthesis of plucked-string and drum timbres, CMJ 7(2), 1983; Jaffe, Smith: Extensions of the
Karplus-Strong plucked-string algorithm, ibid.; Laakso et al.: Splitting the unit delay, IEEE SPM 13(1), 1996.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.midi import synth_voices as keys
from realtime.midi.synth_voices import DoubleArray

# A pluck's own columns: base frequency, bend that DELAY was worked out for, delay now, its goal, loop gain now, its
# goal while held, low-pass, its memory, write position, samples since the pluck, period, two low-passes of the pluck,
# the last noise, the noise generator, the loudest of late.
BASE = keys.OWN
BENT, DELAY, GOAL, LOOP, RING, POLE, MEMORY, WRITE, COUNT, PERIOD, ROUND_1, ROUND_2, NOISE, SEED, PEAK = range(
    keys.OWN + 1, keys.OWN + 16
)
FIELDS = keys.OWN + 16
# Places in the settings. TUNING: Hz of note 0, transposition included.
RATE, LEVEL, TUNING, BRIGHTNESS, RING_S, RELEASE_S, SETTINGS = range(7)

LOWEST_HZ = 20.0
_PLACE = 0.19
_BRIGHT_HZ = 5000.0
_NAIL = 0.12
_SILENT = 1e-5  # −100 dB: here a voice becomes free


@njit(cache=True, nogil=True)
def _low_pass(pole: float, omega: float) -> tuple[float, float]:
    """Gain, and phase delay in samples, of y = (1 − pole)·x + pole·y₋₁ at `omega` radians per sample."""
    real, imaginary = 1.0 - pole * math.cos(omega), pole * math.sin(omega)
    return (1.0 - pole) / math.sqrt(real * real + imaginary * imaginary), math.atan2(imaginary, real) / omega


@njit(cache=True, nogil=True)
def _limited_hz(hz: float, rate: float) -> float:
    """Moved by octaves into what the loop can hold: from 20 Hz to an eighth of the rate."""
    while hz > rate / 8.0:
        hz *= 0.5
    while hz < LOWEST_HZ:
        hz *= 2.0
    return hz


@njit(cache=True, nogil=True)
def _aim(voice: DoubleArray, bent: float, rate: float) -> None:
    """Set the goal of the delay for a bend of `bent` semitones."""
    hz = min(max(voice[BASE] * 2.0 ** (bent / 12.0), LOWEST_HZ / 2.0), rate / 6.0)
    _, delay = _low_pass(voice[POLE], 2.0 * math.pi * hz / rate)
    voice[BENT] = bent
    # Three samples are the least that the interpolation can read.
    voice[GOAL] = max(rate / hz - delay, 3.0)


@njit(cache=True, nogil=True)
def _pluck(
    slot: int,
    voices: DoubleArray,
    lines: npt.NDArray[np.float32],
    channels: DoubleArray,
    bank: DoubleArray,
    s: DoubleArray,
) -> None:
    """Make slot's string ready to be plucked."""
    voice = voices[slot]
    rate = s[RATE]
    hz = _limited_hz(s[TUNING] * 2.0 ** (voice[keys.NOTE] / 12.0), rate)
    # High strings ring shorter.
    ring = s[RING_S] * math.sqrt(220.0 / hz)
    bright = ring * 0.02 * 25.0 ** s[BRIGHTNESS]
    upper = min(max(_BRIGHT_HZ, 2.0 * hz), 0.4 * rate)
    loop_gain = 10.0 ** (-3.0 / (hz * ring))
    wanted = 10.0 ** (-3.0 / (hz * bright)) / loop_gain
    omega, upper_omega = 2.0 * math.pi * hz / rate, 2.0 * math.pi * upper / rate
    low, high = 0.0, 0.98
    for _ in range(24):
        middle = 0.5 * (low + high)
        if _low_pass(middle, upper_omega)[0] / _low_pass(middle, omega)[0] > wanted:
            low = middle
        else:
            high = middle
    voice[BASE], voice[POLE] = hz, low
    # Below 1, or a constant would grow in the loop.
    voice[RING] = voice[LOOP] = min(loop_gain / _low_pass(low, omega)[0], 0.99998)
    _aim(voice, keys.bent_semitones(int(voice[keys.CHANNEL]), channels), rate)
    voice[DELAY] = voice[GOAL]
    voice[PERIOD] = rate / hz
    voice[keys.GAIN] = keys.channel_gain(int(voice[keys.CHANNEL]), channels)
    voice[SEED] = (bank[keys.NOTES] * 7919.0) % 2147483646.0 + 1.0
    voice[PEAK] = 1.0
    lines[slot, :] = 0.0


@njit(cache=True, nogil=True)
def _render(
    slot: int,
    voices: DoubleArray,
    lines: npt.NDArray[np.float32],
    channels: DoubleArray,
    bank: DoubleArray,
    s: DoubleArray,
    out: npt.NDArray[np.float32],
) -> None:
    """Add slot's sound to `out`."""
    voice, line = voices[slot], lines[slot]
    mask = line.size - 1
    rate, smooth = s[RATE], bank[keys.SMOOTH]
    bent = keys.bent_semitones(int(voice[keys.CHANNEL]), channels)
    if bent != voice[BENT]:
        _aim(voice, bent, rate)
    velocity = voice[keys.VELOCITY]
    loudness = s[LEVEL] * velocity**1.6
    gain_goal = keys.channel_gain(int(voice[keys.CHANNEL]), channels)
    loop_goal = voice[RING]
    if voice[keys.STAGE] == keys.RELEASED:
        loop_goal *= 10.0 ** (-3.0 / (voice[BASE] * s[RELEASE_S]))
    fading = voice[keys.STAGE] == keys.FADING
    opened = (300.0 + 6000.0 * velocity**1.5 * (0.25 + s[BRIGHTNESS])) + 2.0 * voice[BASE]
    rounding = 1.0 - math.exp(-2.0 * math.pi * min(opened, 0.45 * rate) / rate)
    period = voice[PERIOD]
    released_at = _PLACE * period
    delay, goal = voice[DELAY], voice[GOAL]
    loop, gain, fade = voice[LOOP], voice[keys.GAIN], voice[keys.FADE]
    memory, pole = voice[MEMORY], voice[POLE]
    write, count = int(voice[WRITE]), voice[COUNT]
    one, two, noise, seed = voice[ROUND_1], voice[ROUND_2], voice[NOISE], np.int64(voice[SEED])
    peak = voice[PEAK]
    peak_fall = 1.0 - 20.0 / rate
    last = 0.0
    c0 = c1 = c2 = c3 = c4 = c5 = 0.0
    whole = 0
    worked_out = -1.0
    # The pluck lasts a period, and its rounding a little more.
    pluck_end = period + 14.0 / rounding
    for n in range(out.size):
        if delay != worked_out:
            whole = int(delay)
            x = delay - whole + 2.0
            whole -= 2
            x1, x2, x3, x4, x5 = x - 1.0, x - 2.0, x - 3.0, x - 4.0, x - 5.0
            c0 = -x1 * x2 * x3 * x4 * x5 / 120.0
            c1 = x * x2 * x3 * x4 * x5 / 24.0
            c2 = -x * x1 * x3 * x4 * x5 / 12.0
            c3 = x * x1 * x2 * x4 * x5 / 12.0
            c4 = -x * x1 * x2 * x3 * x5 / 24.0
            c5 = x * x1 * x2 * x3 * x4 / 120.0
            worked_out = delay
        at = write - whole
        read = (
            c0 * line[at & mask]
            + c1 * line[(at - 1) & mask]
            + c2 * line[(at - 2) & mask]
            + c3 * line[(at - 3) & mask]
            + c4 * line[(at - 4) & mask]
            + c5 * line[(at - 5) & mask]
        )
        memory = (1.0 - pole) * read + pole * memory
        value = loop * memory
        if count < pluck_end:
            push = 0.0
            if count < period:
                seed = (seed * 48271) % 2147483647
                fresh = seed / 1073741823.5 - 1.0
                # The rectangle's two heights weigh the same; the noise is a difference: no constant enters the loop.
                inside = min(max(released_at - count, 0.0), 1.0)
                share = min(period - count, 1.0)
                push = inside - share * _PLACE + _NAIL * (fresh - noise)
                noise = fresh
            elif noise != 0.0:
                push = -_NAIL * noise
                noise = 0.0
            one += rounding * (push - one)
            two += rounding * (one - two)
            value += two
        line[write & mask] = np.float32(value)
        write += 1
        count += 1.0
        delay += smooth * (goal - delay)
        if abs(goal - delay) < 1e-6:
            delay = goal
        loop += smooth * (loop_goal - loop)
        gain += smooth * (gain_goal - gain)
        if fading:
            fade -= bank[keys.FADE_STEP]
            if fade <= 0.0:
                voice[keys.STAGE] = keys.FREE
                break
        peak = max(peak * peak_fall, abs(value))
        if peak < _SILENT and count > 2.0 * period:
            voice[keys.STAGE] = keys.FREE
            break
        last = value * loudness * gain * fade
        out[n] += np.float32(last)
    voice[DELAY], voice[LOOP], voice[keys.GAIN], voice[keys.FADE] = delay, loop, gain, fade
    voice[MEMORY], voice[WRITE], voice[COUNT] = memory, write & mask, count
    voice[ROUND_1], voice[ROUND_2], voice[NOISE], voice[SEED] = one, two, noise, seed
    voice[PEAK], voice[keys.LAST] = peak, last


@njit(cache=True, nogil=True)
def _render_all(
    voices: DoubleArray,
    lines: npt.NDArray[np.float32],
    channels: DoubleArray,
    bank: DoubleArray,
    s: DoubleArray,
    out: npt.NDArray[np.float32],
) -> None:
    for slot in range(voices.shape[0]):
        if voices[slot, keys.STAGE] != keys.FREE:
            _render(slot, voices, lines, channels, bank, s, out)
    keys.add_residue(out, bank)


# Python's lock is kept: given up in the audio thread, it might be had back only after another's turn.
@njit(
    "void(int32[:,::1], int64, float64[:,::1], float32[:,::1], float64[:,::1], float64[::1], float64[::1], "
    "float32[::1])",
    cache=True,
)
def play_pluck(
    events: npt.NDArray[np.int32],
    count: int,
    voices: DoubleArray,
    lines: npt.NDArray[np.float32],
    channels: DoubleArray,
    bank: DoubleArray,
    s: DoubleArray,
    out: npt.NDArray[np.float32],
) -> None:
    """Fill `out` with the strings, plucked by `count` rows (offset, status, data, data) in order of offset."""
    out[:] = 0.0
    begin = 0
    for k in range(count):
        end = min(max(int(events[k, 0]), begin), out.size)
        if end > begin:
            _render_all(voices, lines, channels, bank, s, out[begin:end])
            begin = end
        slot = keys.take(events[k, 1], events[k, 2], events[k, 3], channels, voices, bank)
        if slot >= 0:
            _pluck(slot, voices, lines, channels, bank, s)
    if begin < out.size:
        _render_all(voices, lines, channels, bank, s, out[begin:])
