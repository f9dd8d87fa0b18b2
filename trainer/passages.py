"""Passages played by many instruments, sample-aligned, from one or several folders of `retimbre prepare paired`.

    index.json, more/index.json … ─▶ Passages: any of its instruments may be the origin, any other the target

Folders may hold different instruments; an instrument of the same name in two folders is one target with two sources.
Where one origin and one target are enough, `trainer.pairs` reads the same index.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from realtime.errors import ConfigError, DataError
from trainer.pairs import common_length, read_index, read_slice

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage: the file of each instrument that plays it, and how many samples all of them have."""

    id: str
    files: Mapping[str, Path]
    samples: int


@dataclass(frozen=True, slots=True)
class Passages:
    """Every passage that an origin and a target share, by split."""

    sample_rate: int
    train: tuple[Passage, ...]
    validation: tuple[Passage, ...]
    licences: tuple[str, ...]

    @classmethod
    def read(cls, indexes: Sequence[Path], origins: Collection[str], targets: Sequence[str]) -> Passages:
        """Read the folders' indexes; a passage needs one of `origins` and one of `targets`.

        Raises ConfigError for a missing index or two sample rates, DataError when an instrument is nowhere or a target
        has no passage in a split.
        """
        rates: dict[Path, int] = {}
        splits: dict[str, list[Passage]] = {"train": [], "validation": []}
        licences: set[str] = set()
        known: set[str] = set()
        wanted = {*origins, *targets}
        for path in indexes:
            index = read_index(path)
            rates[path] = rate = int(index["sample_rate"])
            for name, told in index.get("instruments", {}).items():
                licences |= set(map(str, told.get("licences", ()))) if name in wanted else set()
            for pair in index["pairs"]:
                known |= set(pair["files"])
                files = {name: path.parent / file for name, file in pair["files"].items() if name in wanted}
                if pair["split"] in splits and set(files) & set(origins) and set(files) & set(targets):
                    samples = common_length(list(files.values()), rate)
                    splits[pair["split"]].append(Passage(str(pair["id"]), files, samples))
        if len(set(rates.values())) > 1:
            told = ", ".join(f"{path} {rate} Hz" for path, rate in rates.items())
            raise ConfigError(f"The pairs are at different rates ({told}): prepare them with the same --rate.")
        _refuse_absent(indexes, wanted, known, targets, splits)
        train, validation = (tuple(splits[name]) for name in ("train", "validation"))
        return cls(next(iter(rates.values())), train, validation, tuple(sorted(licences)))

    def minutes(self) -> tuple[float, float]:
        """Minutes of playing to learn from and to judge by, each instrument's."""
        learn, judge = (sum(p.samples for p in part) / self.sample_rate / 60 for part in (self.train, self.validation))
        return learn, judge


def refuse_repeated(targets: Sequence[str]) -> None:
    """ConfigError when there is no target, or one twice."""
    if len(set(targets)) != len(targets) or not targets:
        raise ConfigError(f"data.targets is {', '.join(targets) or 'empty'}: name each target once")


class Draw:
    """Random slices of training passages: targets evenly, then passages by length, then an origin evenly."""

    def __init__(
        self, passages: Sequence[Passage], origins: Sequence[str], targets: Sequence[str], length: int
    ) -> None:
        self.origins, self.targets, self.length = tuple(origins), tuple(targets), length
        self.of = {name: [p for p in passages if name in p.files] for name in targets}
        self._shares = {}
        for name, found in self.of.items():
            samples = np.array([p.samples for p in found], np.float64)
            self._shares[name] = samples / samples.sum()

    def item(self, random: np.random.Generator) -> tuple[FloatArray, FloatArray, int]:
        """The same `length` samples of an origin and of a target, and the target's number."""
        x, y, number, _, _ = self.blended(random, 0.0)
        return x, y, number

    def blended(
        self, random: np.random.Generator, chance: float
    ) -> tuple[FloatArray, FloatArray, int, FloatArray, int]:
        """As `item`; then, with this chance, a second target of the passage and its number, else the first again."""
        number = int(random.integers(len(self.targets)))
        target = self.targets[number]
        passage = self._passage(target, random)
        origins = [name for name in self.origins if name in passage.files]
        origin = origins[int(random.integers(len(origins)))]
        start = int(random.integers(0, max(1, passage.samples - self.length)))
        x, y = (read_slice(passage.files[name], start, self.length) for name in (origin, target))
        others = [name for name in self.targets if name in passage.files and name != target]
        if not others or random.uniform() >= chance:
            return x, y, number, y, number
        other = others[int(random.integers(len(others)))]
        return x, y, number, read_slice(passage.files[other], start, self.length), self.targets.index(other)

    def style(self, target: str, random: np.random.Generator) -> FloatArray:
        """`length` samples of the target playing anything."""
        passage = self._passage(target, random)
        start = int(random.integers(0, max(1, passage.samples - self.length)))
        return read_slice(passage.files[target], start, self.length)

    def _passage(self, target: str, random: np.random.Generator) -> Passage:
        found = self.of[target]
        return found[int(random.choice(len(found), p=self._shares[target]))]


def _refuse_absent(
    indexes: Sequence[Path],
    wanted: Collection[str],
    known: Collection[str],
    targets: Sequence[str],
    splits: Mapping[str, Sequence[Passage]],
) -> None:
    where = ", ".join(map(str, indexes))
    if absent := sorted(set(wanted) - set(known)):
        raise DataError(f"{where} has no instrument {', '.join(absent)}: choose among {', '.join(sorted(known))}")
    for split, found in splits.items():
        for target in targets:
            if not any(target in passage.files for passage in found):
                raise DataError(f"{where} has no passage of {target} in its {split} split: prepare more pairs")
