"""A band-limited oscillator with an envelope and a filter, compiled: saw, square or sine.

    phase ─▶ naive wave ─▶ + polyBLEP at each jump ─▶ low-pass, 12 dB/octave ─▶ × envelope ─▶ sound

A jump of the naive wave is rounded over one sample before and after it by the integral of a triangle (polyBLEP), which
takes the worst of the aliasing away. The envelope: a straight attack, then exponentials that fall to a tenth in
`decay_ms` and `release_ms`. The filter opens with the envelope, with velocity and up the keyboard. Thread: the audio
thread; compiled or loaded from the cache when this module is imported.

Välimäki, Huovilainen: Antialiasing oscillators in subtractive synthesis, IEEE SPM 24(2), 2007; Zavalishin: The art of
VA filter design, 2012 (the filter's form).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.midi import synth_voices as keys
from realtime.midi.synth_voices import DoubleArray

# An oscillator's own columns: frequency unbent, bend that GOAL was worked out for, cycles per sample now, their goal,
# phase in cycles, envelope, whether it still rises, two memories and three factors of the filter, samples so far.
BASE = keys.OWN
BENT, STEP, GOAL, PHASE, ENVELOPE, RISING, FILTER_1, FILTER_2, A1, A2, A3, COUNT = range(keys.OWN + 1, keys.OWN + 13)
FIELDS = keys.OWN + 13
# Places in the settings. TUNING: Hz of note 0, transposition included; the times as factors or steps per sample.
RATE, LEVEL, TUNING, BRIGHTNESS, WAVE, ATTACK_STEP, DECAY, SUSTAIN, RELEASE, SETTINGS = range(10)
SAW, SQUARE, SINE = 0.0, 1.0, 2.0

_SILENT = 1e-5
_FILTER_EVERY = 16
_DAMPING = 1.25  # 1/Q


@njit(cache=True, nogil=True)
def _blep(phase: float, step: float) -> float:
    """What a jump of +2 at phase 0 lacks to be band-limited, in the sample before and the one after."""
    if phase < step:
        t = phase / step
        return t + t - t * t - 1.0
    if phase > 1.0 - step:
        t = (phase - 1.0) / step
        return t * t + t + t + 1.0
    return 0.0


@njit(cache=True, nogil=True)
def _aim(voice: DoubleArray, bent: float, rate: float) -> None:
    """Set the goal of the frequency for a bend of `bent` semitones; above a quarter of the rate by octaves down."""
    hz = voice[BASE] * 2.0 ** (bent / 12.0)
    while hz > 0.25 * rate:
        hz *= 0.5
    voice[BENT] = bent
    voice[GOAL] = hz / rate


@njit(cache=True, nogil=True)
def _strike(slot: int, voices: DoubleArray, channels: DoubleArray, s: DoubleArray) -> None:
    """Make slot's oscillator ready to begin."""
    voice = voices[slot]
    voice[BASE] = s[TUNING] * 2.0 ** (voice[keys.NOTE] / 12.0)
    _aim(voice, keys.bent_semitones(int(voice[keys.CHANNEL]), channels), s[RATE])
    voice[STEP] = voice[GOAL]
    voice[keys.GAIN] = keys.channel_gain(int(voice[keys.CHANNEL]), channels)
    voice[RISING] = 1.0
    # A saw begins where it crosses zero.
    voice[PHASE] = 0.5 if s[WAVE] == SAW else 0.0


@njit(cache=True, nogil=True)
def _render(
    slot: int,
    voices: DoubleArray,
    channels: DoubleArray,
    bank: DoubleArray,
    s: DoubleArray,
    out: npt.NDArray[np.float32],
) -> None:
    """Add slot's sound to `out`."""
    voice = voices[slot]
    rate, smooth, wave = s[RATE], bank[keys.SMOOTH], s[WAVE]
    bent = keys.bent_semitones(int(voice[keys.CHANNEL]), channels)
    if bent != voice[BENT]:
        _aim(voice, bent, rate)
    velocity = voice[keys.VELOCITY]
    loudness = s[LEVEL] * velocity**1.6
    gain_goal = keys.channel_gain(int(voice[keys.CHANNEL]), channels)
    released, fading = voice[keys.STAGE] == keys.RELEASED, voice[keys.STAGE] == keys.FADING
    # Octaves above 100 Hz where the filter closes, without the envelope's part.
    octaves = 1.0 + 5.5 * s[BRIGHTNESS] + 0.5 * math.log2(max(voice[BASE], 1.0) / 220.0)
    step, goal, phase = voice[STEP], voice[GOAL], voice[PHASE]
    envelope, rising = voice[ENVELOPE], voice[RISING] > 0.0
    gain, fade = voice[keys.GAIN], voice[keys.FADE]
    f1, f2 = voice[FILTER_1], voice[FILTER_2]
    a1, a2, a3, count = voice[A1], voice[A2], voice[A3], int(voice[COUNT])
    last = 0.0
    for n in range(out.size):
        # Counted from the note's beginning, so that the sound does not depend on how it is cut into blocks.
        count += 1
        if count % _FILTER_EVERY == 1:
            hz = 100.0 * 2.0 ** (octaves + (0.5 + 1.5 * velocity) * envelope)
            g = math.tan(math.pi * min(hz, 0.42 * rate) / rate)
            a1 = 1.0 / (1.0 + g * (g + _DAMPING))
            a2 = g * a1
            a3 = g * a2
        if wave == SINE:
            value = math.sin(2.0 * math.pi * phase)
        else:
            if wave == SAW:
                value = 2.0 * phase - 1.0 - _blep(phase, step)
            else:
                half = phase + 0.5
                if half >= 1.0:
                    half -= 1.0
                value = (1.0 if phase < 0.5 else -1.0) + _blep(phase, step) - _blep(half, step)
            v3 = value - f2
            v1 = a1 * f1 + a2 * v3
            v2 = f2 + a2 * f1 + a3 * v3
            f1 = 2.0 * v1 - f1
            f2 = 2.0 * v2 - f2
            value = v2
        phase += step
        if phase >= 1.0:
            phase -= 1.0
        step += smooth * (goal - step)
        if released:
            envelope *= s[RELEASE]
        elif rising:
            envelope += s[ATTACK_STEP]
            if envelope >= 1.0:
                envelope = 1.0
                rising = False
        else:
            envelope = s[SUSTAIN] + (envelope - s[SUSTAIN]) * s[DECAY]
        gain += smooth * (gain_goal - gain)
        if fading:
            fade -= bank[keys.FADE_STEP]
            if fade <= 0.0:
                voice[keys.STAGE] = keys.FREE
                break
        if not rising and envelope < _SILENT:
            voice[keys.STAGE] = keys.FREE
            break
        last = value * envelope * loudness * gain * fade
        out[n] += np.float32(last)
    voice[STEP], voice[PHASE], voice[ENVELOPE] = step, phase, envelope
    # A key let go during the attack does not rise on.
    voice[RISING] = 1.0 if rising and not released else 0.0
    voice[keys.GAIN], voice[keys.FADE], voice[FILTER_1], voice[FILTER_2], voice[keys.LAST] = gain, fade, f1, f2, last
    voice[A1], voice[A2], voice[A3], voice[COUNT] = a1, a2, a3, count


@njit(cache=True, nogil=True)
def _render_all(
    voices: DoubleArray, channels: DoubleArray, bank: DoubleArray, s: DoubleArray, out: npt.NDArray[np.float32]
) -> None:
    for slot in range(voices.shape[0]):
        if voices[slot, keys.STAGE] != keys.FREE:
            _render(slot, voices, channels, bank, s, out)
    keys.add_residue(out, bank)


# Python's lock is kept: given up in the audio thread, it might be had back only after another's turn.
@njit(
    "void(int32[:,::1], int64, float64[:,::1], float64[:,::1], float64[::1], float64[::1], float32[::1])",
    cache=True,
)
def play_oscillator(
    events: npt.NDArray[np.int32],
    count: int,
    voices: DoubleArray,
    channels: DoubleArray,
    bank: DoubleArray,
    s: DoubleArray,
    out: npt.NDArray[np.float32],
) -> None:
    """Fill `out` with the notes of `count` rows (offset, status, data, data) of events in order of offset."""
    out[:] = 0.0
    begin = 0
    for k in range(count):
        end = min(max(int(events[k, 0]), begin), out.size)
        if end > begin:
            _render_all(voices, channels, bank, s, out[begin:end])
            begin = end
        slot = keys.take(events[k, 1], events[k, 2], events[k, 3], channels, voices, bank)
        if slot >= 0:
            _strike(slot, voices, channels, s)
    if begin < out.size:
        _render_all(voices, channels, bank, s, out[begin:])
