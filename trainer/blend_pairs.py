"""`retimbre prepare blend`: recordings of two instruments and a model for each direction, made into aligned pairs.

    real A ─ model ─▶ B'   ┐
                           ├▶ OUT/audio/A/NAME.flac, OUT/audio/B/NAME.flac, OUT/index.json (as of `prepare paired`)
    A' ◀─ model ─ real B   ┘

The first half of row M11: a CycleGAN (or any package) pairs two instruments whose recordings are of different pieces.
Conversion is the users' own (`realtime.convert`): aligned to the sample, loudness kept. The octave stays, so that both
sides of a pair play the same notes. Splits are the recordings'; test recordings are left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realtime.errors import ConfigError, DataError
from realtime.package import Package
from trainer.data import Recording, Recordings, read_recording
from trainer.prepare_work import write_json
from trainer.recording_checks import FloatArray
from trainer.recording_files import write_sound
from trainer.recordings import INDEX_FORMAT, Refusal
from trainer.teacher import MOST_FAULTS, PEAK, SILENT, played_by, steps_in


@dataclass(frozen=True, slots=True)
class Maker:
    """What makes an instrument out of the other: a package and, where it has several, the target."""

    instrument: str
    package: Package
    target: str | None

    def __call__(self, signal: FloatArray, sample_rate: int) -> tuple[FloatArray, int]:
        """signal (samples,) on this instrument, aligned, and the steps in which the model failed."""
        return played_by(self.package, self.target, signal, sample_rate)


@dataclass(frozen=True, slots=True)
class BlendPairs:
    """Index entries and refusals."""

    pairs: tuple[dict[str, Any], ...]
    refusals: tuple[Refusal, ...]


def prepare_blend(
    index: Path, makers: tuple[Maker, Maker], out: Path, *, on_recording: Callable[[int, int], None] = lambda *_: None
) -> BlendPairs:
    """Pair every training and validation recording of both instruments, and write OUT/index.json.

    makers: of the first instrument and of the second. Raises ConfigError, or DataError when an instrument has no
    recordings or too few conversions were fit.
    """
    first, second = makers
    if first.instrument == second.instrument:
        raise ConfigError(f"Both instruments are {first.instrument}, but a blend needs two: name another.")
    recordings = Recordings.read(index)
    rows = [
        (row, maker)
        for domain, maker in ((first.instrument, second), (second.instrument, first))
        for split in ("train", "validation")
        for row in _of(recordings, domain, split)
    ]
    pairs: list[dict[str, Any]] = []
    refusals: list[Refusal] = []
    for number, (row, maker) in enumerate(rows, start=1):
        name = f"{row.domain}_{row.path.stem}"
        sides, reason = _pair(row, maker, recordings.sample_rate)
        if reason:
            refusals.append(Refusal(name, reason))
        else:
            files = {domain: f"audio/{domain}/{name}.flac" for domain in sides}
            for domain, signal in sides.items():
                write_sound(out / files[domain], signal, recordings.sample_rate, "PCM_24")
            pairs.append({"id": name, "split": row.split, "seconds": row.seconds, "files": files, "real": row.domain})
        on_recording(number, len(rows))
    for split in ("train", "validation"):
        if not any(pair["split"] == split for pair in pairs):
            raise DataError(f"No {split} pair of {first.instrument} and {second.instrument} was fit: prepare more.")
    licences = {
        domain: sorted({row.licence for row, _ in rows if row.domain == domain})
        for domain in (first.instrument, second.instrument)
    }
    instruments = {
        maker.instrument: {"source": f"recorded, and by {maker.package.name}", "licences": licences[maker.instrument]}
        for maker in makers
    }
    whole = {"format": INDEX_FORMAT, "sample_rate": recordings.sample_rate, "instruments": instruments, "pairs": pairs}
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "index.json", whole)
    return BlendPairs(tuple(pairs), tuple(refusals))


def _of(recordings: Recordings, domain: str, split: str) -> tuple[Recording, ...]:
    """Recordings of a split; an instrument needs some to train on, the other split may be the other instrument's."""
    if split == "train":
        return recordings.of(domain, split)
    return tuple(row for row in recordings.rows if row.domain == domain and row.split == split)


def _pair(row: Recording, maker: Maker, sample_rate: int) -> tuple[dict[str, FloatArray], str]:
    """Both sides at one gain, by instrument; or why they are unfit."""
    real = read_recording(row.path)
    made, faults = maker(real, sample_rate)
    if float(np.abs(made).max()) < SILENT:
        return {}, f"came out of {maker.package.name} silent: train that model longer, or leave the recording out"
    steps = steps_in(maker.package, real.size, sample_rate)
    if faults > MOST_FAULTS * steps:
        return {}, f"made {maker.package.name} fail in {faults} of {steps} steps: check that package"
    gain = np.float32(min(1.0, *(PEAK / max(float(np.abs(signal).max()), 1e-9) for signal in (real, made))))
    return {row.domain: real * gain, maker.instrument: made * gain}, ""
