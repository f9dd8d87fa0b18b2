"""Recordings of two domains that have nothing to do with each other: settings, slices, and what is judged by.

    index.json ─▶ TwoDomains.batch(step, items)   ─▶ a, b (items, samples) at the model's rate, drawn apart
                            .judged(split, count) ─▶ the same slices every time
                            .paired(count)        ─▶ aligned pairs, where an index of them is named

What systems without pairs share (CycleGAN, TimbreTron). Slices are resampled with a margin on each side, in which the
resampling begins and ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from realtime.errors import ConfigError
from realtime.resample import resample_signal
from trainer.augment import Augmentation
from trainer.config import setting
from trainer.data import Recording, Recordings, Unpaired, read_recording
from trainer.pairs import PairedIndex, read_slice

FloatArray = npt.NDArray[np.float32]
Side = Literal["a", "b"]
SIDES: tuple[Side, Side] = ("b", "a")
DIRECTIONS: tuple[tuple[Side, Side], ...] = (("b", "a"), ("a", "b"))  # what is made, of what
_MARGIN = 64  # samples of a slice on each side in which its resampling begins and ends


@dataclass(frozen=True, slots=True)
class UnpairedData:
    """`[data]`: recordings of two domains, and pairs of them where there are any to judge by."""

    index: Path = setting(meaning="index.json written by `retimbre prepare recordings`")
    a: str = setting("guitar_electric", "the first domain")
    b: str = setting("piano", "the second domain")
    windows: int = setting(16, "pictures of each domain that are judged, of training and of validation", minimum=1)
    clips: int = setting(1, "validation recordings that are shown and played", minimum=1, maximum=8)
    pairs: Path | None = setting(None, "index.json of `retimbre prepare paired` with both domains: validation error")


class TwoDomains:
    """Slices of `samples` at `rate` Hz out of two domains' recordings."""

    def __init__(self, data: UnpairedData, rate: int, samples: int, *, seed: int, augmentation: Augmentation) -> None:
        """Raises ConfigError for one domain twice, DataError when the index lacks one."""
        if data.a == data.b:
            raise ConfigError(f"data.a and data.b are both {data.a!r}: a translation needs two domains")
        self.data, self.rate, self.samples = data, rate, samples
        self.recordings = Recordings.read(data.index)
        varied = augmentation if augmentation != Augmentation() else None
        self._unpaired = self._drawn_from("train", seed, varied)

    def names(self, side: Side) -> tuple[str, str]:
        """Origin and target of the direction that makes `side`."""
        return (self.data.a, self.data.b) if side == "b" else (self.data.b, self.data.a)

    def batch(self, step: int, items: range) -> dict[str, Tensor]:
        """a and b, (items, samples): slices drawn apart, so that no pairing can be learnt."""
        drawn = self._unpaired.batch(step, items)
        augmentation = self._unpaired.slices.augmentation
        found = {}
        for side in ("a", "b"):
            samples = drawn[side]
            if augmentation is not None:
                rate = self.recordings.sample_rate
                samples = augmentation(samples, drawn[f"augment_{side}"], rate, self._length_at(rate))
            found[side] = self._at_our_rate(samples[:, 0].numpy(), self.recordings.sample_rate)
        return found

    def judged(self, split: str, count: int) -> dict[Side, Tensor]:
        """`count` slices (count, samples) of each domain, the same every time."""
        drawn = self._drawn_from(split, 0, None).batch(0, range(count))
        return {side: self._at_our_rate(drawn[side][:, 0].numpy(), self.recordings.sample_rate) for side in SIDES}

    def paired(self, count: int) -> Mapping[Side, tuple[Tensor, Tensor]]:
        """What is heard and what should be made of it, by the domain that is made; empty without pairs."""
        if self.data.pairs is None:
            return {}
        index = PairedIndex.read(self.data.pairs, self.data.a, self.data.b)
        length = self._length_at(index.sample_rate)
        starts = [(pair, at) for pair in index.validation for at in range(0, max(1, pair.samples - length), length)]
        chosen = [starts[round(k)] for k in np.linspace(0, len(starts) - 1, min(count, len(starts)))]
        a, b = (
            self._at_our_rate(
                np.stack([read_slice(getattr(pair, side), at, length) for pair, at in chosen]), index.sample_rate
            )
            for side in ("origin", "target")
        )
        return {"b": (a, b), "a": (b, a)}

    def shown(self, domain: str, count: int, seconds: float) -> list[tuple[str, FloatArray]]:
        """Name and first seconds (samples,) at our rate of validation recordings of a domain."""
        rate = self.recordings.sample_rate
        rows = self.recordings.of(domain, "validation")[:count]
        return [
            (row.path.stem, resample_signal(read_recording(row.path)[: round(seconds * rate)], rate, self.rate))
            for row in rows
        ]

    def learnt(self) -> dict[str, tuple[Recording, ...]]:
        """The training recordings by domain."""
        return {domain: self.recordings.of(domain, "train") for domain in (self.data.a, self.data.b)}

    def licences(self) -> list[str]:
        """Of the training recordings, as their index tells."""
        return sorted({row.licence for rows in self.learnt().values() for row in rows if row.licence})

    def minutes(self) -> dict[str, float]:
        """Of training recordings by domain."""
        return {domain: sum(row.seconds for row in rows) / 60 for domain, rows in self.learnt().items()}

    def _drawn_from(self, split: str, seed: int, varied: Augmentation | None) -> Unpaired:
        length = self._length_at(self.recordings.sample_rate)
        return Unpaired(self.recordings, self.data.a, self.data.b, length, split=split, seed=seed, augmentation=varied)

    def _length_at(self, rate: int) -> int:
        """Samples at `rate` that resample to at least one slice and its margins."""
        return -(-(self.samples + 2 * _MARGIN) * rate // self.rate) if rate != self.rate else self.samples

    def _at_our_rate(self, signals: FloatArray, rate: int) -> Tensor:
        """Slices (items, `_length_at(rate)`) → (items, samples)."""
        if rate != self.rate:
            signals = resample_signal(signals, rate, self.rate)[:, _MARGIN : _MARGIN + self.samples]
        return torch.from_numpy(np.ascontiguousarray(signals))
