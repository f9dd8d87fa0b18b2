"""Excerpts of one instrument at any rate, as the translation networks learn from them.

    index.json ─▶ a bank for each domain ─▶ a phrase, or single notes as a melody (`trainer.excerpts`) ─▶ resampled

A domain is the recordings of exactly that name; where the index has none of it, all of the judge's class of that name
(`guitar` is every undistorted guitar).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from realtime.errors import DataError
from realtime.resample import resample_signal
from trainer import excerpts, judge
from trainer.data import Recordings

Audio = npt.NDArray[np.float32]
_MARGIN = 64  # samples in which a resampling begins and ends


def belongs(domain: str, wanted: Sequence[str]) -> bool:
    """Whether recordings called `domain` are of one of the domains `wanted`."""
    return domain in wanted or judge.class_of(domain) in wanted


def domain_banks(index: Path, splits: Sequence[str], domains: Sequence[str]) -> list[excerpts.Bank]:
    """A bank for each domain: the recordings of exactly that name, or where there are none, of that class."""
    exact = Recordings.read(index).domains()
    classes = [judge.class_of(name) for name in domains]
    bank = excerpts.load_bank([index], splits, classes)
    banks = []
    for name, kind in zip(domains, classes, strict=True):
        sources = bank.sounds.get(kind, {})
        if name in exact:
            sources = {source: sounds for source, sounds in sources.items() if source.startswith(f"{name}/")}
        if not sources and "train" in splits:
            raise DataError(f"There are no training recordings of {name} in {index}: choose another domain")
        banks.append(excerpts.Bank({kind: sources} if sources else {}))
    return banks


def sound_of(bank: excerpts.Bank, samples: int, sample_rate: int, rng: np.random.Generator) -> Audio:
    """`samples` samples of the bank's one class at `sample_rate`, its peak at full scale."""
    (kind,) = bank.sounds
    seconds = (samples + 2 * _MARGIN) / sample_rate
    sound = excerpts.excerpt(bank, kind, seconds + 2 / judge.SAMPLE_RATE, rng)
    moved = resample_signal(sound, judge.SAMPLE_RATE, sample_rate)[_MARGIN : _MARGIN + samples]
    return np.asarray(moved / max(1e-3, float(np.abs(moved).max())), np.float32)
