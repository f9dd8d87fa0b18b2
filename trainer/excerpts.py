"""Two seconds of one instrument as nobody recorded it: so that a classifier learns the instrument, not the take.

    recordings of one class ─▶ a source ─▶ a phrase, or its single notes as a melody (transposed at most 2–3 semitones,
    legato or attacked, vibrato, swells, double stops, chords) ─▶ `trainer.augment`: room, equaliser, bandwidth, noise

Sources are drawn first and recordings within a source second, so that a large source cannot speak for its class. A
class with one source leans on the augmentation. All at 24 kHz mono; every function is a function of its generator.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from realtime.errors import DataError
from trainer.augment import Augmentation
from trainer.data import Kept
from trainer.judge import SAMPLE_RATE, class_of

Audio = NDArray[np.float32]
CHORDAL = frozenset({"piano", "guitar", "harp", "organ"})
BOWED = frozenset({"violin", "cello"})
FADE_S = 0.025
SOUNDFONTS = ("/fluidr3", "/musescore")
SOUNDFONT_SHARE = 0.35
COLOUR = Augmentation(
    tilt_db=1.5, bells_db=4.0, bandwidth=0.4, room=0.75, room_seconds=(0.15, 3.0), room_db=(-20.0, 3.0), drive=0.15,
    noise=0.7,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sound:
    """One recording, decoded when it is heard; `midi` is None for a phrase."""

    path: Path
    midi: float | None

    @property
    def samples(self) -> NDArray[np.int16]:
        """At SAMPLE_RATE, without silence around it, its peak at full scale; 16-bit, and kept while there is room."""
        return _kept.read(self.path)

    def part(self, start: int, stop: int) -> Audio:
        """Samples start…stop as float."""
        return self.samples[start:stop].astype(np.float32) / 32768.0


@dataclass(slots=True)
class Bank:
    """Recordings by class and source."""

    sounds: dict[str, dict[str, list[Sound]]] = field(default_factory=dict)

    def classes(self) -> tuple[str, ...]:
        """Every class that has a recording, in order."""
        return tuple(sorted(self.sounds))


def load_bank(indexes: Sequence[Path], splits: Collection[str], classes: Collection[str]) -> Bank:
    """The recordings of `splits` whose class is one of `classes`; DataError when one class has none at all."""
    bank = Bank()
    for path in indexes:
        try:
            index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read ({error}): make it with `retimbre prepare recordings`.") from error
        for row in index["recordings"]:
            name = class_of(row["domain"])
            if row["split"] not in splits or name not in classes:
                continue
            # Two guitars of one source name are two instruments: the domain belongs to the source.
            source = f"{row['domain']}/{row['source']}"
            bank.sounds.setdefault(name, {}).setdefault(source, []).append(
                Sound(path.parent / row["file"], row["midi"])
            )
    missing = sorted(set(classes) - set(bank.sounds))
    if missing and "train" in splits:
        raise DataError(
            f"The indexes hold no training recordings of {', '.join(missing)}: leave them out of data.classes."
        )
    return bank


def _decoded(path: Path) -> NDArray[np.int16]:
    try:
        audio, rate = soundfile.read(path, dtype="float32")
    except (soundfile.LibsndfileError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}): run `retimbre prepare` again.") from error
    audio = _trimmed(audio if rate == SAMPLE_RATE else soxr.resample(audio, rate, SAMPLE_RATE))
    scaled = audio / max(1e-6, float(np.abs(audio).max())) * 32000.0
    whole: NDArray[np.int16] = np.clip(scaled, -32768, 32767).astype(np.int16)
    return whole


_kept = Kept(_decoded)


def _trimmed(audio: Audio) -> Audio:
    # Silence before the onset and after the tail would be learnt as part of the instrument.
    block = SAMPLE_RATE // 100
    power = (audio[: len(audio) // block * block].reshape(-1, block) ** 2).mean(1)
    if not len(power) or power.max() <= 0:
        return audio
    heard = np.flatnonzero(power > power.max() * 1e-4)
    return audio[heard[0] * block : (heard[-1] + 1) * block]


def excerpt(bank: Bank, name: str, seconds: float, rng: np.random.Generator) -> Audio:
    """`seconds` of class `name`, dry: a stretch of a phrase, or a melody of single notes from one source."""
    sources = bank.sounds[name]
    sounds = sources[_drawn_source(sorted(sources), rng)]
    samples = int(seconds * SAMPLE_RATE)
    phrases = [sound for sound in sounds if sound.midi is None]
    notes = [sound for sound in sounds if sound.midi is not None]
    if phrases and (not notes or rng.random() < len(phrases) / len(sounds)):
        sound = phrases[int(rng.integers(len(phrases)))]
        speed = 2.0 ** (rng.uniform(-1.0, 1.0) / 12.0)
        need = int(samples * speed) + 4
        start = int(rng.integers(max(1, len(sound.samples) - need + 1)))
        return _fitted(_warped(sound.part(start, start + need), np.full(samples, speed)), samples)
    line = melody(notes, name, samples, rng)
    # Overlapping sound must not mean "plucked or struck": every instrument has a second line now and then.
    if rng.random() < (0.5 if name in CHORDAL else 0.2 if name in BOWED else 0.1):
        for _ in range(int(rng.integers(1, 3 if name in CHORDAL else 2))):
            line = line + melody(notes, name, samples, rng) * rng.uniform(0.3, 1.0)
    return line


def _drawn_source(names: Sequence[str], rng: np.random.Generator) -> str:
    """One source; SoundFonts, whose notes are looped and shared by neighbours, together with SOUNDFONT_SHARE."""
    played = [name for name in names if not name.endswith(SOUNDFONTS)]
    looped = [name for name in names if name.endswith(SOUNDFONTS)]
    chosen = looped if not played or (looped and rng.random() < SOUNDFONT_SHARE) else played
    return chosen[int(rng.integers(len(chosen)))]


def melody(notes: Sequence[Sound], name: str, samples: int, rng: np.random.Generator) -> Audio:
    """A random walk over the pitches of `notes`, `samples` long: each note at most 2 (few notes: 3) semitones away."""
    pitches = np.array([float(note.midi or 0.0) for note in notes])
    reach = 2.0 if len(notes) > 24 else 3.0
    sustained = name not in CHORDAL
    pitch = float(pitches[rng.integers(len(pitches))])
    longest = float(np.exp(rng.uniform(np.log(0.15), np.log(2.5))))
    vibrato = rng.uniform(5.0, 45.0) if sustained and rng.random() < 0.5 else 0.0
    legato = sustained and rng.random() < 0.5
    fade = int(FADE_S * SAMPLE_RATE)
    line, at = np.zeros(samples + fade, np.float32), -int(rng.integers(SAMPLE_RATE // 4))
    while at < samples:
        pitch = float(np.clip(pitch + rng.normal(0.0, 3.5), pitches.min() - reach, pitches.max() + reach))
        near = np.flatnonzero(np.abs(pitches - pitch) <= reach)
        if not len(near):
            near = np.flatnonzero(np.abs(pitches - pitch) == np.abs(pitches - pitch).min())
            pitch = float(pitches[near[0]])
        note = notes[int(near[rng.integers(len(near))])]
        length = int(rng.uniform(0.4, 1.0) * longest * SAMPLE_RATE) + 2 * fade
        skip = int(rng.uniform(0.03, 0.3) * SAMPLE_RATE) if legato and at > 0 else 0
        skip = min(skip, max(0, len(note.samples) - length))
        speed = 2.0 ** ((pitch - float(note.midi or pitch) + rng.normal(0.0, 0.08)) / 12.0)
        t = np.arange(length) / SAMPLE_RATE
        cents = vibrato * np.sin(2.0 * np.pi * (rng.uniform(4.5, 6.5) * t + rng.random())) * np.minimum(1.0, t / 0.3)
        sound = _warped(note.part(skip, skip + int(length * speed * 1.05) + 8), speed * 2.0 ** (cents / 1200.0))
        fade_now = min(fade, len(sound) // 2)
        ramp = np.linspace(0.0, 1.0, fade_now, dtype=np.float32)
        sound[len(sound) - fade_now :] *= ramp[::-1]
        if skip:
            sound[:fade_now] *= ramp
        sound *= np.linspace(1.0, 10.0 ** (rng.normal(0.0, 4.0) / 20.0), len(sound), dtype=np.float32)
        begin, stop = max(0, at), min(len(line), at + len(sound))
        if stop > begin:
            line[begin:stop] += sound[begin - at : stop - at] * np.float32(10.0 ** (rng.normal(0.0, 2.5) / 20.0))
        # Rests are rare; a plucked or legato line overlaps by the fade.
        at += max(fade, len(sound) - fade) + (int(rng.uniform(0.0, 0.15) * SAMPLE_RATE) if rng.random() < 0.15 else 0)
    return line[:samples]


def colour(audio: Audio, rng: np.random.Generator) -> Audio:
    """The same playing in another room, through another microphone, with noise (`COLOUR`); its peak is 1."""
    plan = torch.from_numpy(COLOUR.plan(rng))[None]
    wet = COLOUR(torch.from_numpy(np.ascontiguousarray(audio))[None, None], plan, SAMPLE_RATE)[0, 0].numpy()
    return np.asarray(wet / max(1e-6, float(np.abs(wet).max())), np.float32)


def _warped(audio: Audio, speed: NDArray[np.float64]) -> Audio:
    position = np.cumsum(speed)
    position = position[position < len(audio) - 1]
    whole = position.astype(np.int64)
    part = (position - whole).astype(np.float32)
    warped: Audio = audio[whole] * (1.0 - part) + audio[whole + 1] * part
    return warped


def _fitted(audio: Audio, samples: int) -> Audio:
    return np.pad(audio, (0, samples - len(audio))) if len(audio) < samples else audio[:samples]
