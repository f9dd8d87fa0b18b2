"""The built-in sources as objects: settings become arrays, messages become rows, one compiled call plays.

Making one may take seconds on a machine's first day (compilation); it belongs to a control thread. `play` belongs to
the audio thread: it copies the messages into rows made beforehand and calls the compiled kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from realtime.controls import db_to_gain
from realtime.midi.source import FloatArray, MidiEvent, SourceSettings
from realtime.midi.synth_voices import SPARE, new_bank, new_channels

_ROWS = 256
# A loud note peaks near −9 dBFS at level 0 dB; measured, see docs/midi.md.
_PLUCK_LEVEL, _OSCILLATOR_LEVEL = 0.42, 0.33
_TENTH = math.log(0.1)


class KeyboardSource:
    """The pluck or the oscillator, ready to play."""

    def __init__(self, settings: SourceSettings, rate_hz: int) -> None:
        """rate_hz: of the device; settings of another kind than "pluck" or "oscillator" are a defect of the caller."""
        assert settings.kind in {"pluck", "oscillator"}
        slots = settings.polyphony + SPARE
        self._rows = np.zeros((_ROWS, 4), np.int32)
        self._channels = new_channels(settings.channels, settings.bend_semitones)
        self._bank = new_bank(rate_hz, settings.polyphony)
        # Each kernel is imported only where it is asked for, because the import compiles it.
        self._kernel: Any
        if settings.kind == "pluck":
            from realtime.midi import synth_pluck as pluck

            self._kernel = pluck.play_pluck
            self._voices = np.zeros((slots, pluck.FIELDS))
            size = 1 << math.ceil(math.log2(2.0 * rate_hz / pluck.LOWEST_HZ + 16))
            lines = np.zeros((slots, size), np.float32)
            numbers = _pluck_numbers(settings, rate_hz)
            self._arrays: tuple[Any, ...] = (self._voices, lines, self._channels, self._bank, numbers)
        else:
            from realtime.midi import synth_oscillator as oscillator

            self._kernel = oscillator.play_oscillator
            self._voices = np.zeros((slots, oscillator.FIELDS))
            numbers = _oscillator_numbers(settings, rate_hz)
            self._arrays = (self._voices, self._channels, self._bank, numbers)

    def play(self, events: Sequence[MidiEvent], out: FloatArray) -> None:
        """Fill `out` (frames,), contiguous, with the notes so far and those that `events` begin."""
        rows = self._rows
        begin = count = 0
        for offset, message in events:
            if count == _ROWS:
                # More than fit: play up to the last of them, and go on from there.
                end = max(min(int(rows[count - 1, 0]), out.size - begin), 0)
                self._kernel(rows, count, *self._arrays, out[begin : begin + end])
                begin += end
                count = 0
            row = rows[count]
            size = len(message)
            if not 0 < size <= 3:
                continue
            row[0] = min(max(offset - begin, 0), out.size)
            row[1] = message[0]
            row[2] = message[1] if size > 1 else 0
            row[3] = message[2] if size > 2 else 0
            count += 1
        self._kernel(rows, count, *self._arrays, out[begin:])

    def silence(self) -> None:
        """End all notes in a few milliseconds and forget pedals and bends."""
        self.play([(0, b"\xff")], np.zeros(0, np.float32))


def _shared_numbers(
    sound: Any, level: float, settings: SourceSettings, rate_hz: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What both sounds are told; sound: the module, which says where."""
    numbers = np.zeros(sound.SETTINGS)
    numbers[sound.RATE] = rate_hz
    numbers[sound.LEVEL] = level * db_to_gain(settings.level_db)
    numbers[sound.TUNING] = settings.tuning_hz * 2.0 ** ((settings.transpose_semitones - 69.0) / 12.0)
    numbers[sound.BRIGHTNESS] = settings.brightness
    return numbers


def _pluck_numbers(settings: SourceSettings, rate_hz: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    from realtime.midi import synth_pluck as p

    numbers = _shared_numbers(p, _PLUCK_LEVEL, settings, rate_hz)
    numbers[p.RING_S] = settings.ring_s
    numbers[p.RELEASE_S] = 3.0 * settings.release_ms / 1000.0
    return numbers


def _oscillator_numbers(settings: SourceSettings, rate_hz: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    from realtime.midi import synth_oscillator as o

    numbers = _shared_numbers(o, _OSCILLATOR_LEVEL, settings, rate_hz)
    numbers[o.WAVE] = {"saw": o.SAW, "square": o.SQUARE, "sine": o.SINE}[settings.wave]
    numbers[o.ATTACK_STEP] = 1000.0 / (settings.attack_ms * rate_hz)
    numbers[o.DECAY] = math.exp(_TENTH * 1000.0 / (settings.decay_ms * rate_hz))
    numbers[o.SUSTAIN] = settings.sustain
    numbers[o.RELEASE] = math.exp(_TENTH * 1000.0 / (settings.release_ms * rate_hz))
    return numbers
