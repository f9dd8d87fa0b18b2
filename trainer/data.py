"""Slices of prepared recordings, balanced over domains; a batch is a pure function of (seed, step, items).

    index.json of `retimbre prepare NAME` -> Recordings -> Slices.batch(step, items)   -> samples, domain
                                                        -> Unpaired.batch(step, items) -> a, b

Pure functions make resuming bit-equal and let several processes share a batch: each asks for its own items. In one
step the domains take turns in an order drawn anew, so that no domain is heard more than another; two unpaired domains
are zipped item by item, each drawn by itself and anew in every step, so that no accidental pairing can be learnt.
(Aligned pairs are read by `trainer.pairs`.)

Memory does not grow with the data: short recordings are kept up to KEPT_BYTES, of longer ones the slice is read.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import soundfile
import torch

from realtime.errors import DataError
from trainer.augment import Augmentation
from trainer.pairs import read_slice
from trainer.recording_checks import FloatArray

S = TypeVar("S", bound=npt.NDArray[Any])
KEPT_BYTES = 1 << 30
LONGEST_KEPT_BYTES = 8 << 20  # 44 s at 48 kHz; a slice of a longer one costs a seek


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


def _decoded(path: Path) -> FloatArray:
    try:
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}): run `retimbre prepare` again.") from error
    signal = np.ascontiguousarray(samples[:, 0])
    signal.flags.writeable = False
    return signal


class Kept(Generic[S]):
    """Decoded recordings, the most recently heard first, as many as fit into `room` bytes; for several threads."""

    def __init__(self, decode: Callable[[Path], S], room: int = KEPT_BYTES) -> None:
        self._decode, self._room, self._lock = decode, room, threading.Lock()
        self._signals = OrderedDict[Path, S]()
        self.bytes = 0

    def read(self, path: Path) -> S:
        """What `decode` makes of a file; the same array as long as it is kept."""
        with self._lock:
            if path in self._signals:
                self._signals.move_to_end(path)
                return self._signals[path]
        signal = self._decode(path)
        with self._lock:
            if path not in self._signals:
                self._signals[path] = signal
                self.bytes += signal.nbytes
            while self.bytes > self._room and len(self._signals) > 1:
                self.bytes -= self._signals.popitem(last=False)[1].nbytes
        return signal


_kept = Kept(_decoded)


def read_recording(path: Path) -> FloatArray:
    """The samples (samples,) of a prepared file, kept while there is room: decoding costs more than a slice."""
    return _kept.read(path)


class Slices:
    """Fixed-length slices of one split, each domain as often as any other, long recordings more often than short.

    With `augmentation` a batch also has what was drawn for it, `augment`, and its samples are longer by
    `augmentation.reach`: `augmentation(batch["samples"], batch["augment"], sample_rate, length)` on the training device
    makes the slices.
    """

    def __init__(
        self,
        recordings: Recordings,
        domains: Sequence[str],
        length: int,
        *,
        split: str = "train",
        seed: int = 0,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.sample_rate, self.seed, self.augmentation = recordings.sample_rate, seed, augmentation
        self.length = length if augmentation is None else augmentation.source_length(length)
        self.domains = tuple(domains)
        self.rows = [recordings.of(domain, split) for domain in domains]
        self._chances = []  # of the rows of each domain, summed up
        for rows in self.rows:
            seconds = np.cumsum([row.seconds for row in rows])
            self._chances.append(seconds / seconds[-1])

    def item(self, step: int, item: int) -> tuple[FloatArray, int, Recording, int]:
        """Samples (length,), the domain's number, the recording, and where in it the slice begins."""
        order = np.random.default_rng([self.seed, step, 0]).permutation(len(self.domains))
        domain = int(order[item % len(order)])
        rng = np.random.default_rng([self.seed, step, 1, item])
        samples, row, start = self.draw(domain, rng)
        return samples, domain, row, start

    def draw(self, domain: int, rng: np.random.Generator) -> tuple[FloatArray, Recording, int]:
        """Samples (length,) of the domain of this number, the recording, and where in it the slice begins."""
        row = self.rows[domain][int(np.searchsorted(self._chances[domain], rng.random(), side="right"))]
        frames = round(row.seconds * self.sample_rate)
        start = int(rng.integers(max(1, frames - self.length + 1)))
        if frames * 4 > LONGEST_KEPT_BYTES:
            return read_slice(row.path, start, self.length), row, start
        samples = np.zeros(self.length, dtype=np.float32)
        part = read_recording(row.path)[start : start + self.length]
        samples[: len(part)] = part
        return samples, row, start

    def batch(self, step: int, items: Iterable[int]) -> dict[str, torch.Tensor]:
        """`samples` (items, 1, length) float32, `domain` (items,) int64, and `augment` (items, settings) if asked."""
        numbers = list(items)
        drawn = [self.item(step, item) for item in numbers]
        batch = {
            "samples": torch.from_numpy(np.stack([samples for samples, *_ in drawn]))[:, None],
            "domain": torch.tensor([domain for _, domain, *_ in drawn], dtype=torch.int64),
        }
        if self.augmentation is not None:
            batch["augment"] = self.augmentation.draw(self.seed, step, numbers)
        return batch


class Unpaired:
    """Two domains zipped on the fly: each item has one slice of both, drawn independently and anew in every step."""

    def __init__(
        self,
        recordings: Recordings,
        a: str,
        b: str,
        length: int,
        *,
        split: str = "train",
        seed: int = 0,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.slices = Slices(recordings, (a, b), length, split=split, seed=seed, augmentation=augmentation)

    def batch(self, step: int, items: Iterable[int]) -> dict[str, torch.Tensor]:
        """`a` and `b` (items, 1, length) float32; with an augmentation also `augment_a` and `augment_b`."""
        numbers, batch = list(items), dict[str, torch.Tensor]()
        for side, name in enumerate("ab"):
            drawn = [
                self.slices.draw(side, np.random.default_rng([self.slices.seed, step, 2 + side, item]))[0]
                for item in numbers
            ]
            batch[name] = torch.from_numpy(np.stack(drawn))[:, None]
            if self.slices.augmentation is not None:
                # each side hears another room: what both share would be a pairing
                batch[f"augment_{name}"] = self.slices.augmentation.draw(self.slices.seed + 1 + side, step, numbers)
        return batch
