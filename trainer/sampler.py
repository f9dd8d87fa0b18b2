"""A sampler in numpy: single-note recordings in, a played score out, every instrument aligned to the same samples.

    score note -> nearest recorded note -> transposed (at most a few semitones) -> shortened or lengthened -> placed

Three layouts of single notes are understood: NSynth's (`name_000-PITCH-VELOCITY.wav`), this project's
(`PITCH_source_dynamic.flac`), and, rendered into NSynth's layout by `trainer.soundfont`, SoundFonts.

Lengthening: an instrument whose notes keep sounding is looped with a crossfade where the wave resembles itself most;
one whose notes decay is left to ring. Shortening: the note is cut with a release fade. Thread: any; nothing is shared.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr

from realtime.errors import DataError
from trainer.midi_score import ScoreNote
from trainer.recording_checks import FloatArray, frame_levels_db, sounding_level_db
from trainer.recording_files import SOUND_FILES, read_sound

NSYNTH_NAME = re.compile(r"^(?P<source>.+)-(?P<midi>\d{3})-(?P<velocity>\d{3})$")
OWN_NAME = re.compile(r"^(?P<midi>\d{1,3})_(?P<source>[^_]+)(?:_(?P<dynamic>[a-z]+))?")
DYNAMICS = {"ppp": 16, "pp": 32, "p": 48, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 124}
UNKNOWN_VELOCITY = 84
NOTE_LEVEL_DB = -24.0  # sounding level of a note at velocity 127: several fit below full scale
SUSTAIN_RANGE_DB = 12.0


@dataclass(frozen=True, slots=True)
class SingleNote:
    """A recording of one note."""

    path: Path
    midi: int
    velocity: int


def find_notes(folder: Path, wanted: str = "") -> tuple[SingleNote, ...]:
    """Single notes in `folder`; `wanted` names sources (our layout) or instrument prefixes (NSynth), by commas."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}: give a folder of single notes or a SoundFont.")
    names = [name for name in wanted.split(",") if name]
    notes, sources = [], set()
    for path in sorted(folder.iterdir()):
        match = NSYNTH_NAME.match(path.stem) or OWN_NAME.match(path.stem)
        if path.suffix.lower() not in SOUND_FILES or match is None or not int(match["midi"]) <= 127:
            continue
        parts = match.groupdict()
        sources.add(parts["source"])
        if names and not any(parts["source"] == n or parts["source"].startswith(n + "_") for n in names):
            continue
        velocity = int(parts["velocity"]) if "velocity" in parts else DYNAMICS.get(parts["dynamic"] or "", 0)
        notes.append(SingleNote(path, int(parts["midi"]), velocity or UNKNOWN_VELOCITY))
    if not notes:
        kind = f"of {wanted} (found: {', '.join(sorted(sources)) or 'nothing'})" if names else "of single notes"
        raise DataError(
            f"{folder} holds no files {kind}: name them PITCH_source_dynamic.wav or as NSynth, name_000-060-100.wav."
        )
    return tuple(notes)


def fingerprint(notes: Sequence[SingleNote]) -> str:
    """Hash of the notes' names and bytes."""
    digest = hashlib.sha256()
    for note in notes:
        digest.update(note.path.name.encode())
        digest.update(note.path.read_bytes())
    return digest.hexdigest()


def from_onset(signal: FloatArray, sample_rate: int) -> FloatArray:
    """`signal` (samples,) from 1 ms before it first reaches 1 % of its peak, faded in over that millisecond."""
    peak = float(np.abs(signal).max(initial=0.0))
    if peak == 0.0:
        return signal
    lead = max(1, round(0.001 * sample_rate))
    start = max(0, int(np.argmax(np.abs(signal) >= 0.01 * peak)) - lead)
    trimmed = signal[start:].copy()
    if start:
        trimmed[:lead] *= np.linspace(0, 1, lead, dtype=np.float32)
    return trimmed


def sustained_seconds(signal: FloatArray, sample_rate: int) -> float:
    """Seconds until a note has fallen for good to 12 dB below its loudest 50 ms."""
    levels = frame_levels_db(signal, sample_rate)
    return float(np.flatnonzero(levels >= levels.max() - SUSTAIN_RANGE_DB)[-1] + 1) * 0.05


def lengthen(signal: FloatArray, length: int, sample_rate: int) -> FloatArray:
    """Loop the sustained part of `signal` until it lasts `length` samples, crossfading 50 ms where it fits best."""
    fade = round(0.05 * sample_rate)
    end = min(len(signal), round(sustained_seconds(signal, sample_rate) * sample_rate))
    if end < 6 * fade:
        return signal
    start = round(0.35 * (end - fade))
    template = signal[start : start + fade].astype(np.float64)
    first = start + max(2 * fade, round(0.6 * (end - fade - start)))
    region = signal[first:end].astype(np.float64)
    if len(region) < fade:
        return signal
    # normalised cross-correlation of the loop's start with every place where it could be entered again
    size = 1 << (len(region) + fade).bit_length()
    cross = np.fft.irfft(np.fft.rfft(region, size) * np.conj(np.fft.rfft(template, size)), size)
    energy = np.concatenate(([0.0], np.cumsum(region**2)))
    places = len(region) - fade + 1
    likeness = cross[:places] / np.sqrt(energy[fade : fade + places] - energy[:places] + 1e-12)
    join = first + int(np.argmax(likeness))
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    period = join - start
    count = max(0, -(-(length - join) // period))
    out = np.zeros(join + count * period + fade, dtype=np.float32)
    out[:join] = signal[:join]
    for turn in range(count):
        at = join + turn * period
        out[at : at + period] = signal[start:join]
        out[at : at + fade] = signal[join : join + fade] * (1 - ramp) + signal[start : start + fade] * ramp
    return out[: max(length, join)]


class Instrument:
    """Single notes of one instrument, ready to be played at `sample_rate`."""

    def __init__(
        self, notes: Sequence[SingleNote], sample_rate: int, reach: int = 3, note_rate: int | None = None
    ) -> None:
        """reach: semitones; note_rate: no content above half of it, as if the notes had been recorded so."""
        self.notes = tuple(notes)
        self.sample_rate = sample_rate
        self.note_rate = note_rate
        self.reach = reach
        self.pitches = sorted({note.midi for note in notes})
        self._sound = lru_cache(maxsize=256)(self._load)
        middle = self.pitches[len(self.pitches) // 4 :: max(1, len(self.pitches) // 8)]
        held = [self._holds(self.choose(midi, 96)) for midi in middle]
        self.sustains = sum(held) * 2 > len(held)

    def reaches(self, midi: int) -> bool:
        """True when a recorded note lies within `reach` semitones."""
        return any(abs(midi - pitch) <= self.reach for pitch in self.pitches)

    def choose(self, midi: int, velocity: int) -> SingleNote:
        """The recorded note nearest in pitch, then in velocity, then by name."""
        return min(self.notes, key=lambda n: (abs(n.midi - midi), abs(n.velocity - velocity), n.path.name))

    def play(self, note: ScoreNote, release: float) -> FloatArray:
        """The note's sound from its onset, faded out `release` seconds after its end; full velocity."""
        chosen = self.choose(note.midi, note.velocity)
        sound = self._sound(chosen.path, note.midi - chosen.midi)
        held = max(1, round((note.end - note.start) * self.sample_rate))
        tail = max(1, round(release * self.sample_rate))
        if self.sustains and len(sound) < held + tail:
            sound = lengthen(sound, held + tail, self.sample_rate)
        sound = sound[: held + tail].copy()
        fade = len(sound) - held
        if fade > 0:
            sound[held:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fade + 1, dtype=np.float32) / tail)
        else:  # the recording ends inside the note: end it without a click
            fade = min(len(sound), round(0.01 * self.sample_rate))
            sound[len(sound) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        return sound

    def _load(self, path: Path, semitones: int) -> FloatArray:
        samples, rate = read_sound(path)
        mono = samples.mean(axis=1)
        if self.note_rate is not None and self.note_rate < rate:
            mono, rate = soxr.resample(mono, rate, self.note_rate, quality="VHQ"), self.note_rate
        # played faster it sounds higher: the same samples, taken for a higher rate
        played_rate = rate * 2 ** (semitones / 12)
        if played_rate != self.sample_rate:
            mono = soxr.resample(mono, played_rate, self.sample_rate, quality="VHQ")
        mono = from_onset(np.asarray(mono, dtype=np.float32), self.sample_rate)
        # by its first second: a piano note must not gain level for ringing long
        level = sounding_level_db(mono[: self.sample_rate], self.sample_rate)
        return np.asarray(mono * 10 ** ((NOTE_LEVEL_DB - level) / 20), dtype=np.float32)

    def _holds(self, note: SingleNote) -> bool:
        sound = self._sound(note.path, 0)
        return sustained_seconds(sound, self.sample_rate) > 0.6 * len(sound) / self.sample_rate


def velocity_gain(velocity: int, curve: float) -> float:
    """Linear gain of a velocity: (velocity / 127)^(2·curve); curve 1 is the MIDI square law, 0 plays all alike."""
    return float((velocity / 127) ** (2 * curve))


def fit_range(
    notes: Iterable[ScoreNote], instruments: Sequence[Instrument], *, fold: bool
) -> tuple[list[ScoreNote], int, int]:
    """Notes that every instrument can play, how many were moved by octaves to be so, and how many were dropped."""
    reachable = {midi for midi in range(128) if all(instrument.reaches(midi) for instrument in instruments)}
    kept, folded, dropped = [], 0, 0
    for note in notes:
        shifts = (0, 12, -12, 24, -24, 36, -36) if fold else (0,)
        shift = next((s for s in shifts if note.midi + s in reachable), None)
        if shift is None:
            dropped += 1
            continue
        folded += shift != 0
        kept.append(ScoreNote(note.start, note.midi + shift, note.velocity, note.end))
    return kept, folded, dropped


def render(
    notes: Sequence[ScoreNote], instrument: Instrument, length: int, *, curve: float, release: float
) -> FloatArray:
    """`notes` played by `instrument` into `length` samples."""
    out = np.zeros(length, dtype=np.float64)
    for note in notes:
        start = round(note.start * instrument.sample_rate)
        sound = instrument.play(note, release)[: max(0, length - start)]
        out[start : start + len(sound)] += sound * velocity_gain(note.velocity, curve)
    return out.astype(np.float32)
