"""What systems of pitch and loudness learn from: passages of each target, from an index of recordings.

    recordings of a target ─▶ its phrases, transposed a little, or melodies of its single notes (`trainer.melodies`)
    ─▶ frames as the engine computes them, and the sound that belongs to them, late by the features' delay

A passage of several voices teaches nothing about one: it is kept when most of its sounding frames repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

from realtime.errors import DataError
from realtime.features import PitchLoudnessFeatures
from trainer import melodies
from trainer.config import setting
from trainer.data import Recordings, read_recording

_UNSEEN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PlayedData:
    """`[data]`: recordings of the targets, and how much is made of them."""

    index: Path = setting(meaning="index.json written by `retimbre prepare recordings`, at any rate")
    targets: tuple[str, ...] = setting(meaning="the domains to learn, in the order of the target weights")
    minutes: float = setting(6.0, "minutes of melodies and passages made for each target", minimum=0.02)
    passage_seconds: float = setting(10.0, "length of one of them", minimum=0.5)
    max_shift: float = setting(2.5, "semitones by which a note's recording may be transposed", minimum=0, maximum=12)
    phrases: float = setting(0.5, "share of real phrases where a target has any", minimum=0, maximum=1)


@dataclass(frozen=True, slots=True)
class PassagePlan:
    """How passages are made: at `rate` Hz, their forte at `level_db`, with so many harmonics measured."""

    rate: int
    features: PitchLoudnessFeatures
    level_db: float
    data: PlayedData
    harmonics: int = 0
    shortest_frames: int = 8


def recorded(recordings: Recordings, domain: str, split: str, rate: int) -> list[tuple[melodies.Audio, float | None]]:
    """Sound at `rate` and, for a single note, its pitch, of every recording of a domain in a split."""
    found = []
    for row in recordings.rows:
        if row.domain == domain and row.split == split:
            audio = read_recording(row.path)
            if recordings.sample_rate != rate:
                audio = np.asarray(soxr.resample(audio, recordings.sample_rate, rate), np.float32)
            found.append((audio, row.midi))
    return found


def training_passages(
    recordings: Recordings, domain: str, plan: PassagePlan, rng: np.random.Generator
) -> list[melodies.Passage]:
    """`minutes` of passages of a target; DataError when its recordings give none."""
    data = plan.data
    heard = recorded(recordings, domain, "train", plan.rate)
    notes = [melodies.Note(melodies.from_onset(audio, plan.rate), midi) for audio, midi in heard if midi is not None]
    phrases = [audio for audio, midi in heard if midi is None and len(audio) > plan.rate]
    if not notes and not phrases:
        known = ", ".join(recordings.domains())
        raise DataError(f"There are no training recordings of {domain!r}: use some of {known}")
    made: list[melodies.Passage] = []
    wanted = max(1, round(data.minutes * 60 / data.passage_seconds))
    length = int(data.passage_seconds * plan.rate)
    for _ in range(4 * wanted):
        if phrases and (not notes or rng.random() < data.phrases):
            audio = phrases[rng.integers(len(phrases))]
            begin = int(rng.integers(max(1, len(audio) - length)))
            audio = audio[begin : begin + length]
            audio = melodies.warp(audio, np.full(len(audio), 2 ** (rng.uniform(-1, 1) * data.max_shift / 12)))
        else:
            audio = melodies.melody(notes, data.passage_seconds, plan.rate, rng, data.max_shift)
        found = _passage(audio, plan, float(np.clip(rng.normal(0, 2), -4, 4)))
        if found is not None and found.frames.shape[1] > plan.shortest_frames and _one_voice(found.frames):
            made.append(found)
        if len(made) == wanted:
            break
    if not made:
        raise DataError(f"no passage of {domain!r} has a clear pitch: check its recordings or their pitches")
    return made


def of_all_targets(recordings: Recordings, plan: PassagePlan, seed: int) -> list[list[melodies.Passage]]:
    """Training passages of each target of the plan."""
    return [
        training_passages(recordings, name, plan, np.random.default_rng([seed, number]))
        for number, name in enumerate(plan.data.targets)
    ]


def unseen_of_all_targets(recordings: Recordings, plan: PassagePlan) -> list[tuple[int, melodies.Passage]]:
    """Validation passages and the target's number, of the targets that have recordings for it."""
    return [
        (number, passage)
        for number, name in enumerate(plan.data.targets)
        for passage in unseen_passages(recordings, name, plan, number)
    ]


class Excerpt(NamedTuple):
    """A stretch of a passage, filled up behind its end: frames (3, n), audio (n·hop,), harmonics in dB (n, …)."""

    x: NDArray[np.float32]
    audio: melodies.Audio
    harmonics_db: NDArray[np.float32]


def excerpt(
    passages: Sequence[melodies.Passage], frames: int, hop: int, unclear: float, rng: np.random.Generator
) -> Excerpt:
    """`frames` frames of one of the passages; unclear: how often it repeats less exactly, as in other rooms."""
    chosen = passages[int(rng.integers(len(passages)))]
    begin = int(rng.integers(max(1, chosen.frames.shape[1] - frames)))
    x = chosen.frames[:, begin : begin + frames].copy()
    if rng.random() < unclear:
        x[2] *= rng.uniform(0.85, 1.0)
    missing = frames - x.shape[1]
    return Excerpt(
        np.pad(x, ((0, 0), (0, missing)), mode="edge"),
        np.pad(chosen.audio[begin * hop : (begin + frames) * hop], (0, missing * hop)),
        np.pad(
            chosen.harmonics_db[begin : begin + frames].astype(np.float32), ((0, missing), (0, 0)),
            constant_values=-120.0,
        ),
    )  # fmt: skip


def unseen_passages(recordings: Recordings, domain: str, plan: PassagePlan, number: int) -> list[melodies.Passage]:
    """Up to two phrases and a melody of a target's validation recordings, the same every time; `number` seeds it."""
    heard = recorded(recordings, domain, "validation", plan.rate)
    notes = [melodies.Note(melodies.from_onset(audio, plan.rate), midi) for audio, midi in heard if midi is not None]
    rng = np.random.default_rng([number, 7])
    sounds = [audio[: int(_UNSEEN_SECONDS * plan.rate)] for audio, midi in heard if midi is None][:2]
    sounds += [melodies.melody(notes, _UNSEEN_SECONDS, plan.rate, rng, 0.5)] if notes else []
    found = [_passage(audio, plan, 0.0) for audio in sounds]
    return [p for p in found if p is not None and p.frames.shape[1] * plan.features.hop > 2048]


def _passage(audio: melodies.Audio, plan: PassagePlan, forte_offset_db: float) -> melodies.Passage | None:
    return melodies.passage(audio, plan.rate, plan.features, plan.harmonics, plan.level_db, forte_offset_db)


def _one_voice(frames: NDArray[np.float32]) -> bool:
    sounding = frames[1] > -30
    return bool(np.mean(frames[2][sounding] > 0.85) > 0.6)
