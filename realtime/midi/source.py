"""What MIDI notes sound like: the settings of a sound source, its protocol, and the one function that opens it.

    notes ─▶ Source.play(events, out) ─▶ the same place in the chain where a microphone's block would be

Three kinds: a plucked string (`synth_pluck`), a band-limited oscillator (`synth_oscillator`), and a SoundFont
(`soundfont`, optional). Settings are plain values of a preset. `open_source` runs on a control thread and may take
long (compilation, reading a file); `play` runs in the audio thread.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from realtime.errors import ConfigError

FloatArray = NDArray[np.float32]
MidiEvent = tuple[int, bytes]
"""(offset in frames inside the coming block, message)."""
SourceKind = Literal["pluck", "oscillator", "soundfont"]
Wave = Literal["saw", "square", "sine"]

# name: (lowest, highest, unit) of the settings that are numbers.
SOURCE_RANGES: Mapping[str, tuple[float, float, str]] = {
    "level_db": (-60.0, 12.0, "dB"),
    "tuning_hz": (380.0, 500.0, "Hz"),
    "transpose_semitones": (-48.0, 48.0, "semitones"),
    "bend_semitones": (0.0, 24.0, "semitones"),
    "attack_ms": (0.5, 5000.0, "ms"),
    "decay_ms": (1.0, 20000.0, "ms"),
    "sustain": (0.0, 1.0, ""),
    "release_ms": (2.0, 20000.0, "ms"),
    "brightness": (0.0, 1.0, ""),
    "ring_s": (0.05, 30.0, "s"),
}
_COMPILE_S = 120.0
_WHOLE_RANGES: Mapping[str, tuple[int, int]] = {"program": (0, 127), "bank": (0, 16383), "polyphony": (1, 64)}


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """How a source sounds. What does not belong to its kind is kept and has no effect.

    soundfont: the .sf2 file, for the kind "soundfont". program, bank: its instrument on every channel until a program
        change says otherwise.
    channels: the MIDI channels, 1 to 16, that are played; None plays all.
    polyphony: most notes at once; the oldest makes room.
    level_db: of everything; at 0 dB one loud note peaks near −9 dBFS, so that a chord stays under full scale.
    tuning_hz: of the A above middle C. bend_semitones: the pitch wheel's reach, up and down.
    wave, attack_ms, decay_ms, sustain, release_ms: of the oscillator (release also of the pluck's damping).
    brightness: of the oscillator's filter and of the pluck. ring_s: time in which a plucked A of 220 Hz falls by 60 dB.
    """

    kind: SourceKind = "pluck"
    soundfont: Path | None = None
    program: int = 0
    bank: int = 0
    channels: tuple[int, ...] | None = None
    polyphony: int = 16
    level_db: float = 0.0
    tuning_hz: float = 440.0
    transpose_semitones: float = 0.0
    bend_semitones: float = 2.0
    wave: Wave = "saw"
    attack_ms: float = 5.0
    decay_ms: float = 300.0
    sustain: float = 0.7
    release_ms: float = 80.0
    brightness: float = 0.6
    ring_s: float = 4.0

    def __post_init__(self) -> None:
        for name, options in (("kind", get_args(SourceKind)), ("wave", get_args(Wave))):
            if getattr(self, name) not in options:
                raise ConfigError(
                    f"{name} of a source is {getattr(self, name)!r}, but it must be one of {', '.join(options)}."
                )
        for name, (low, high, unit) in SOURCE_RANGES.items():
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or not low <= value <= high:
                spelt = f" {unit}" if unit else ""
                raise ConfigError(
                    f"{name} of a source is {value!r}, but it must be a number from {low:g} to {high:g}{spelt}."
                )
            object.__setattr__(self, name, float(value))
        for name, (first, last) in _WHOLE_RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not first <= value <= last:
                raise ConfigError(
                    f"{name} of a source is {value!r}, but it must be a whole number from {first} to {last}."
                )
        self._check_channels()
        if self.soundfont is not None and not isinstance(self.soundfont, Path):
            raise ConfigError(f"soundfont of a source is {self.soundfont!r}, but it must be the path of an .sf2 file.")
        if self.kind == "soundfont" and self.soundfont is None:
            raise ConfigError("A source of kind 'soundfont' names no file: give soundfont = 'path/to/file.sf2'.")

    def _check_channels(self) -> None:
        listed: object = self.channels
        if listed is None:
            return
        whole = isinstance(listed, tuple) and all(type(channel) is int and 1 <= channel <= 16 for channel in listed)
        if not whole or not listed or len(set(self.channels or ())) != len(self.channels or ()):
            raise ConfigError(
                f"channels of a source is {self.channels!r}, but it must list different channels from 1 to 16, "
                "or be left out to play all."
            )

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for TOML or JSON that `from_mapping` reads back; defaults are left out, save the kind."""
        values: dict[str, Any] = {"kind": self.kind}
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if item.name == "kind" or value == item.default:
                continue
            if isinstance(value, Path):
                value = str(value)
            values[item.name] = list(value) if isinstance(value, tuple) else value
        return values

    @staticmethod
    def from_mapping(values: Mapping[str, Any]) -> SourceSettings:
        """Settings from plain values; what is not named keeps its default. Raises ConfigError naming what is wrong."""
        names = [item.name for item in dataclasses.fields(SourceSettings)]
        if not isinstance(values, Mapping):
            raise ConfigError(f"A source is {values!r}, but it must be a table with a kind.")
        for name in values:
            if name not in names:
                raise ConfigError(f"There is no setting {name!r} of a source; it has {', '.join(names)}.")
        changes = dict(values)
        if isinstance(changes.get("soundfont"), str):
            changes["soundfont"] = Path(changes["soundfont"])
        if isinstance(changes.get("channels"), list):
            changes["channels"] = tuple(changes["channels"])
        return SourceSettings(**changes)


class Source(Protocol):
    """Something that sounds when notes come; it belongs to the audio thread."""

    def play(self, events: Sequence[MidiEvent], out: FloatArray) -> None:
        """Fill `out` (frames,), with each message taking effect at its offset; never raises, waits or makes memory."""
        ...

    def silence(self) -> None:
        """End all notes in a few milliseconds and forget pedals and bends."""
        ...


def compile_ahead(settings: SourceSettings) -> None:
    """Compile what `settings` need in another process, so that `open_source` beside running sound only reads it.

    Compiling takes seconds on a machine's first day and holds Python's lock, which a running callback needs. Where it
    fails, `open_source` compiles. Control thread; waits for the other process.
    """
    module = {"pluck": "realtime.midi.synth_pluck", "oscillator": "realtime.midi.synth_oscillator"}.get(settings.kind)
    if module is not None and module not in sys.modules:
        command = [sys.executable, "-c", f"import {module}"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(command, capture_output=True, timeout=_COMPILE_S, check=False)


def open_source(settings: SourceSettings, rate_hz: int, longest: int) -> Source:
    """The source that `settings` describe, at the device's rate, for blocks of up to `longest` frames.

    Raises ConfigError or AudioFileError (a SoundFont that is missing, damaged, or whose player is not installed). On a
    control thread: the first time on a machine it may take seconds.
    """
    if settings.kind == "soundfont":
        from realtime.midi.soundfont import SoundFontSource

        return SoundFontSource(settings, rate_hz, longest)
    from realtime.midi.synth_keyboard import KeyboardSource

    return KeyboardSource(settings, rate_hz)
