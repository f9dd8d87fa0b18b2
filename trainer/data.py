"""Slices of prepared recordings, balanced over domains; a batch is a pure function of (seed, step, items).

    index.json of `retimbre prepare recordings` -> Recordings -> Slices.batch(step, items) -> tensors

Pure functions make resuming bit-equal and let several processes share a batch: each asks for its own items. In one
step the domains take turns in an order drawn anew, so that no domain is heard more than another and unpaired domains
are never paired by accident. (Aligned pairs are read by `trainer.pairs`.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import torch

from realtime.errors import DataError
from trainer.recording_checks import FloatArray

Augment = Callable[[FloatArray, int, np.random.Generator], FloatArray]


@dataclass(frozen=True, slots=True)
class Recording:
    """One row of the index; `path` is absolute, `gain_db` what the recording was amplified by."""

    path: Path
    domain: str
    split: str
    source: str
    seconds: float
    loudness_db: float
    gain_db: float
    midi: float | None
    licence: str


@dataclass(frozen=True, slots=True)
class Recordings:
    """An index of recordings at one rate."""

    sample_rate: int
    rows: tuple[Recording, ...]

    @classmethod
    def read(cls, index: Path) -> Recordings:
        """Read OUT/index.json; DataError when it is absent or is no index of recordings."""
        try:
            data = json.loads(index.read_text(encoding="utf-8"))
            names = ("domain", "split", "source", "seconds", "loudness_db", "gain_db", "midi", "licence")
            rows = tuple(
                Recording(index.parent / row["file"], *(row[name] for name in names)) for row in data["recordings"]
            )
            return cls(int(data["sample_rate"]), rows)
        except OSError as error:
            raise DataError(
                f"{index} cannot be read ({error.strerror}): make it with `retimbre prepare recordings`."
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{index} is not an index of recordings: make it again with `retimbre prepare recordings`."
            ) from error

    def domains(self) -> tuple[str, ...]:
        """Every domain, in order."""
        return tuple(sorted({row.domain for row in self.rows}))

    def of(self, domain: str, split: str) -> tuple[Recording, ...]:
        """The recordings of one domain in one split; DataError when there are none."""
        found = tuple(row for row in self.rows if row.domain == domain and row.split == split)
        if not found:
            raise DataError(
                f"There are no {split} recordings of {domain} (the domains are {', '.join(self.domains())}): "
                "choose another or prepare more."
            )
        return found


@lru_cache(maxsize=4096)
def read_recording(path: Path) -> FloatArray:
    """The samples (samples,) of a prepared file, kept in memory: decoding FLAC costs more than a training slice."""
    try:
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}): run `retimbre prepare recordings` again.") from error
    signal = np.ascontiguousarray(samples[:, 0])
    signal.flags.writeable = False
    return signal


class Slices:
    """Fixed-length slices of one split, each domain as often as any other, long recordings more often than short."""

    def __init__(
        self,
        recordings: Recordings,
        domains: Sequence[str],
        length: int,
        *,
        split: str = "train",
        seed: int = 0,
        augment: Augment | None = None,
    ) -> None:
        self.sample_rate, self.length, self.seed, self.augment = recordings.sample_rate, length, seed, augment
        self.domains = tuple(domains)
        self.rows = [recordings.of(domain, split) for domain in domains]
        self._chances = []
        for rows in self.rows:
            seconds = np.array([row.seconds for row in rows])
            self._chances.append(seconds / seconds.sum())

    def item(self, step: int, item: int) -> tuple[FloatArray, int, Recording, int]:
        """Samples (length,), the domain's number, the recording, and where in it the slice begins."""
        order = np.random.default_rng([self.seed, step, 0]).permutation(len(self.domains))
        domain = int(order[item % len(order)])
        rng = np.random.default_rng([self.seed, step, 1, item])
        row = self.rows[domain][int(rng.choice(len(self.rows[domain]), p=self._chances[domain]))]
        signal = read_recording(row.path)
        start = int(rng.integers(max(1, len(signal) - self.length + 1)))
        samples = np.zeros(self.length, dtype=np.float32)
        part = signal[start : start + self.length]
        samples[: len(part)] = part
        if self.augment is not None:
            samples = self.augment(samples, self.sample_rate, rng)
        return samples, domain, row, start

    def batch(self, step: int, items: Iterable[int]) -> dict[str, torch.Tensor]:
        """`samples` (items, 1, length) float32 and `domain` (items,) int64."""
        drawn = [self.item(step, item) for item in items]
        return {
            "samples": torch.from_numpy(np.stack([samples for samples, *_ in drawn]))[:, None],
            "domain": torch.tensor([domain for _, domain, *_ in drawn], dtype=torch.int64),
        }
