"""Melodies played with one instrument's own recordings: what the voice is trained on when there are only single notes.

    recordings of one domain ──▶ a random walk over its pitches, each note a recording shifted by at most
    `max_shift` semitones with vibrato, swell, attack kept or cut (legato), release and rests
    ──▶ (audio, features, harmonics)

Everything is a function of the generator given; audio is mono float32 at the index's rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.features import PitchLoudnessFeatures
from realtime.pitch import SILENCE_DB, PitchLoudnessTracker

Audio = NDArray[np.float32]
LOUD_QUANTILE = 0.95  # of the loudness of the sounding frames: what counts as the player's forte


@dataclass(frozen=True, slots=True)
class Note:
    """One recording of one pitch, from its onset."""

    audio: Audio
    midi: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of one instrument: frames `(3, n)`, aligned audio `(n·hop,)`, harmonics in dB `(n, harmonics)`."""

    frames: NDArray[np.float32]
    audio: Audio
    harmonics_db: NDArray[np.float16]


def from_onset(audio: Audio, rate: int) -> Audio:
    """The recording from 10 ms before it first comes within 30 dB of its loudest 10 ms."""
    block = rate // 100
    power = (audio[: len(audio) // block * block].reshape(-1, block) ** 2).mean(1)
    first = int(np.argmax(power > power.max() * 1e-3))
    return audio[max(0, first - 1) * block :]


def warp(audio: Audio, speed: NDArray[np.float64]) -> Audio:
    """Read `audio` at a varying speed (1 = as recorded) by cubic interpolation; ends where the recording does."""
    position = np.cumsum(speed) + 1
    position = position[position < len(audio) - 3]
    whole = position.astype(np.int64)
    t = (position - whole).astype(np.float32)
    a, b, c, d = (audio[whole + k] for k in (-1, 0, 1, 2))
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def melody(notes: Sequence[Note], seconds: float, rate: int, rng: np.random.Generator, max_shift: float) -> Audio:
    """A random melody of `seconds` played with `notes` (at least one)."""
    pitches = np.array([note.midi for note in notes])
    low, high = pitches.min() - max_shift, pitches.max() + max_shift
    out = np.zeros(int((seconds + 4) * rate), np.float32)
    at, pitch = int(0.05 * rate), rng.uniform(low, high)
    legato = False
    level_db = rng.uniform(-12, 0)
    while at < seconds * rate:
        pitch = pitch + rng.choice([-12, -7, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 7, 12])
        if not low <= pitch <= high:
            pitch = rng.uniform(low, high)
        distance = np.abs(pitches - pitch)
        near = np.flatnonzero(distance <= max(distance.min() + 0.5, min(max_shift, 2.0)))
        note = notes[rng.choice(near)]
        length = int(rate * (rng.uniform(0.1, 0.6) if rng.random() < 0.6 else rng.uniform(0.6, 2.5)))
        release = int(rate * rng.uniform(0.02, 0.12))
        start = int(rate * rng.uniform(0.05, 0.15)) if legato else 0
        count = np.arange(length + release)
        shift = np.clip(pitch - note.midi, -max_shift, max_shift) + rng.normal(0, 0.1)
        depth = rng.uniform(0.0, 0.4) if rng.random() < 0.4 else 0.0
        swing = depth * np.sin(2 * np.pi * rng.uniform(4.5, 6.5) * count / rate) * np.minimum(1, count / (0.3 * rate))
        sound = warp(note.audio[start:], 2 ** ((shift + swing) / 12))
        if len(sound) < release + 64:
            continue
        level_db = float(np.clip(level_db + rng.normal(0, 4), -22, 3))
        swell = np.interp(np.linspace(0, 1, len(sound)), np.linspace(0, 1, 4), rng.normal(0, 2.5, 4))
        sound = sound * (10 ** ((level_db + swell) / 20)).astype(np.float32)
        sound[-release:] *= np.linspace(1, 0, release, dtype=np.float32) ** 2
        if start:
            rise = min(len(sound), int(rate * rng.uniform(0.01, 0.04)))
            sound[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
        out[at : at + len(sound)] += sound[: len(out) - at]
        legato = rng.random() < 0.4
        at += max(len(sound) - release, 1)
        if not legato and rng.random() < 0.35:
            at += int(rate * rng.uniform(0.05, 0.5))
    return out[: int(seconds * rate)]


def forte_db(loudness_db: NDArray[Any]) -> float:
    """The level that counts as forte in a stretch of loudness values."""
    sounding = loudness_db[loudness_db > max(-60.0, float(loudness_db.max()) - 40.0)]
    return float(np.quantile(sounding, LOUD_QUANTILE)) if len(sounding) else SILENCE_DB


def passage(
    audio: Audio, rate: int, features: PitchLoudnessFeatures, harmonics: int, level_db: float, forte_offset_db: float
) -> Passage | None:
    """Analyse a stretch: features as the engine computes them, audio late by their delay, harmonics; None if silent.

    The audio is scaled so that its forte is at `level_db`; loudness is relative to a forte wrong by `forte_offset_db`.
    """
    hop = features.hop
    audio = audio[: len(audio) // hop * hop]
    frames = PitchLoudnessTracker(rate, features).track(audio)
    forte = forte_db(frames[1])
    if forte < -70:
        return None
    frames[1] = np.maximum(frames[1] - forte - forte_offset_db, SILENCE_DB)
    late = np.concatenate([np.zeros(features.delay_samples, np.float32), audio])[: len(audio)]
    late = (late * 10 ** ((level_db - forte) / 20)).astype(np.float32)
    return Passage(frames, late, harmonic_levels(late, frames[0], rate, hop, harmonics))


def harmonic_levels(audio: Audio, f0_hz: NDArray[Any], rate: int, hop: int, harmonics: int) -> NDArray[np.float16]:
    """Amplitude in dB of each harmonic where frame k ends, sample (k + 1)·hop: the spectrum's peak beside k·f0."""
    if not harmonics:
        return np.empty((len(f0_hz), 0), np.float16)
    n_fft = 2048 if np.median(f0_hz) < 300 else 1024
    n_fft = n_fft * rate // 48_000 if rate != 48_000 else n_fft
    window = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    padded = np.concatenate([np.zeros(n_fft // 2 - hop, np.float32), audio, np.zeros(n_fft, np.float32)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop][: len(f0_hz)]
    orders = np.arange(1, harmonics + 1)
    levels = np.empty((len(f0_hz), harmonics), np.float16)
    for begin in range(0, len(f0_hz), 512):
        block = slice(begin, begin + 512)
        magnitude = np.abs(np.fft.rfft(frames[block] * window)) * (2 / window.sum())
        centre = f0_hz[block, None] * orders * (n_fft / rate)
        whole = np.clip(np.round(centre).astype(np.int64), 1, n_fft // 2 - 1)
        rows = np.arange(len(magnitude))[:, None]
        peak = np.maximum(np.maximum(magnitude[rows, whole - 1], magnitude[rows, whole]), magnitude[rows, whole + 1])
        peak[centre > n_fft * 0.46] = 0.0
        levels[block] = 20 * np.log10(peak + 1e-6)
    return levels
