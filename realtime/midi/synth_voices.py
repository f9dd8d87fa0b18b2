"""The keyboard of the built-in sounds: channels, pedals, bends and voices, compiled, for `synth_pluck` and its sibling.

    message ─▶ take ─▶ voices[slot] begins, is released, fades        (a sound then fills the slot's own fields)

Everything lives in three arrays of float64 made once: channels (16, CHANNEL_FIELDS), voices (slots, …), bank. A voice
is FREE, HELD, kept by the PEDAL, RELEASED, or FADING after its place was given to another. There are SPARE more slots
than notes may sound, so that a stolen note fades in FADE_MS; when even those are used up, the step that cutting makes
is kept in bank[RESIDUE] and dies away smoothly instead. Every function runs in the audio thread, waits for nothing
and makes no memory. The numbers below are the columns of the arrays.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

DoubleArray = npt.NDArray[np.float64]

# Stages of a voice.
FREE, HELD, PEDAL, RELEASED, FADING = 0.0, 1.0, 2.0, 3.0, 4.0
# Columns of voices; a sound's own begin at OWN. PITCH: semitones of the bend; GAIN: of the channel; LAST: last sample.
STAGE, CHANNEL, NOTE, AGE, VELOCITY, FADE, GAIN, LAST, OWN = range(9)
# Columns of channels. PLAYED: whether the channel is; RPN: registered parameter chosen, −1 for none.
BEND, BEND_RANGE, HOLD, VOLUME, EXPRESSION, RPN, PLAYED, HOME_RANGE, CHANNEL_FIELDS = range(9)
# Places in bank. NOTES: started so far; POLYPHONY: most at once; FADE_STEP and RESIDUE_FALL: per sample.
NOTES, POLYPHONY, FADE_STEP, RESIDUE, RESIDUE_FALL, SMOOTH, BANK_FIELDS = range(7)

SPARE = 8
FADE_MS = 3.0
_RESIDUE_MS = 1.5
_SMOOTH_MS = 4.0


def new_bank(rate_hz: int, polyphony: int) -> DoubleArray:
    """The bank of a keyboard at rest."""
    bank = np.zeros(BANK_FIELDS)
    bank[POLYPHONY] = polyphony
    bank[FADE_STEP] = 1000.0 / (FADE_MS * rate_hz)
    bank[RESIDUE_FALL] = math.exp(-1000.0 / (_RESIDUE_MS * rate_hz))
    bank[SMOOTH] = 1.0 - math.exp(-1000.0 / (_SMOOTH_MS * rate_hz))
    return bank


def new_channels(played: tuple[int, ...] | None, bend_semitones: float) -> DoubleArray:
    """The 16 channels at rest; played: those (1…16) that sound, None for all."""
    channels = np.zeros((16, CHANNEL_FIELDS))
    channels[:, [VOLUME, EXPRESSION]] = 1.0
    channels[:, [BEND_RANGE, HOME_RANGE]] = bend_semitones
    channels[:, RPN] = -1.0
    for channel in range(16):
        channels[channel, PLAYED] = played is None or channel + 1 in played
    return channels


@njit(cache=True, nogil=True)
def take(status: int, first: int, second: int, channels: DoubleArray, voices: DoubleArray, bank: DoubleArray) -> int:
    """Obey one message; gives the slot where a note begins, else −1."""
    if status == 0xFF:
        for c in range(16):
            _reset(c, channels, voices)
            _fade(c, voices)
        return -1
    kind, c = status & 0xF0, status & 0x0F
    if status < 0x80 or status >= 0xF0 or channels[c, PLAYED] == 0.0 or first < 0 or first > 127 or second < 0:
        return -1
    if second > 127:
        return -1
    if kind == 0x90 and second > 0:
        return _begin(c, first, second, voices, bank)
    if kind in (0x80, 0x90):
        for v in range(voices.shape[0]):
            if voices[v, STAGE] == HELD and voices[v, CHANNEL] == c and voices[v, NOTE] == first:
                voices[v, STAGE] = PEDAL if channels[c, HOLD] > 0.0 else RELEASED
    elif kind == 0xB0:
        _control(c, first, second, channels, voices)
    elif kind == 0xE0:
        # The wheel reaches both ends of its range exactly.
        wheel = first + 128 * second - 8192
        channels[c, BEND] = wheel / 8192.0 if wheel < 0 else wheel / 8191.0
    return -1


@njit(cache=True, nogil=True)
def _begin(c: int, note: int, velocity: int, voices: DoubleArray, bank: DoubleArray) -> int:
    """Find a place for a note, stealing the oldest released note, or the oldest of all, when too many sound."""
    sounding, oldest, oldest_released, free, faintest = 0, -1, -1, -1, -1
    for v in range(voices.shape[0]):
        stage = voices[v, STAGE]
        if stage == FREE:
            free = v
            continue
        if stage == FADING:
            if faintest < 0 or voices[v, FADE] < voices[faintest, FADE]:
                faintest = v
            continue
        if stage != RELEASED and voices[v, CHANNEL] == c and voices[v, NOTE] == note:
            # The same string is struck again.
            voices[v, STAGE] = stage = RELEASED
        sounding += 1
        if oldest < 0 or voices[v, AGE] < voices[oldest, AGE]:
            oldest = v
        if stage == RELEASED and (oldest_released < 0 or voices[v, AGE] < voices[oldest_released, AGE]):
            oldest_released = v
    if sounding >= bank[POLYPHONY]:
        stolen = oldest_released if oldest_released >= 0 else oldest
        voices[stolen, STAGE] = FADING
        if free < 0 and faintest < 0:
            faintest = stolen
    slot = free if free >= 0 else faintest
    if free < 0:
        bank[RESIDUE] += voices[slot, LAST]
    bank[NOTES] += 1.0
    voices[slot, :] = 0.0
    voices[slot, STAGE] = HELD
    voices[slot, CHANNEL] = c
    voices[slot, NOTE] = note
    voices[slot, AGE] = bank[NOTES]
    voices[slot, VELOCITY] = velocity / 127.0
    voices[slot, FADE] = 1.0
    return slot


@njit(cache=True, nogil=True)
def _control(c: int, number: int, value: int, channels: DoubleArray, voices: DoubleArray) -> None:
    if number == 7:
        channels[c, VOLUME] = (value / 127.0) ** 2
    elif number == 11:
        channels[c, EXPRESSION] = (value / 127.0) ** 2
    elif number == 64:
        channels[c, HOLD] = 1.0 if value >= 64 else 0.0
        if value < 64:
            for v in range(voices.shape[0]):
                if voices[v, STAGE] == PEDAL and voices[v, CHANNEL] == c:
                    voices[v, STAGE] = RELEASED
    elif number in (98, 99):
        channels[c, RPN] = -1.0
    elif number == 100:
        channels[c, RPN] = value if channels[c, RPN] < 0.0 else (int(channels[c, RPN]) & ~127) + value
    elif number == 101:
        channels[c, RPN] = 128.0 * value + (0 if channels[c, RPN] < 0.0 else int(channels[c, RPN]) & 127)
    elif number == 6 and channels[c, RPN] == 0.0:
        channels[c, BEND_RANGE] = min(float(value), 24.0)
    elif number == 38 and channels[c, RPN] == 0.0:
        channels[c, BEND_RANGE] = math.floor(channels[c, BEND_RANGE]) + min(value, 99) / 100.0
    elif number == 120:
        _fade(c, voices)
    elif number == 121:
        _reset(c, channels, voices)
    elif number >= 123:
        for v in range(voices.shape[0]):
            if voices[v, STAGE] == HELD and voices[v, CHANNEL] == c:
                voices[v, STAGE] = PEDAL if channels[c, HOLD] > 0.0 else RELEASED


@njit(cache=True, nogil=True)
def _reset(c: int, channels: DoubleArray, voices: DoubleArray) -> None:
    channels[c, BEND] = channels[c, HOLD] = 0.0
    channels[c, EXPRESSION] = 1.0
    channels[c, RPN] = -1.0
    channels[c, BEND_RANGE] = channels[c, HOME_RANGE]
    for v in range(voices.shape[0]):
        if voices[v, STAGE] == PEDAL and voices[v, CHANNEL] == c:
            voices[v, STAGE] = RELEASED


@njit(cache=True, nogil=True)
def _fade(c: int, voices: DoubleArray) -> None:
    for v in range(voices.shape[0]):
        if voices[v, STAGE] != FREE and voices[v, CHANNEL] == c:
            voices[v, STAGE] = FADING


@njit(cache=True, nogil=True)
def bent_semitones(c: int, channels: DoubleArray) -> float:
    """How far the pitch wheel moves the channel's notes."""
    return float(channels[c, BEND] * channels[c, BEND_RANGE])


@njit(cache=True, nogil=True)
def channel_gain(c: int, channels: DoubleArray) -> float:
    """The channel's volume times its expression."""
    return float(channels[c, VOLUME] * channels[c, EXPRESSION])


@njit(cache=True, nogil=True)
def add_residue(out: npt.NDArray[np.float32], bank: DoubleArray) -> None:
    """Let the step of notes cut short die away in `out`, instead of clicking."""
    residue, fall = bank[RESIDUE], bank[RESIDUE_FALL]
    if residue == 0.0:
        return
    for n in range(out.size):
        residue *= fall
        out[n] += np.float32(residue)
    bank[RESIDUE] = residue if abs(residue) > 1e-7 else 0.0
