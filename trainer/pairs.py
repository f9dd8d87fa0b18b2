"""Aligned pairs of recordings, as `retimbre prepare paired` writes them: index, slices, spectra.

    {"format": 1, "sample_rate": 44100,
     "pairs": [{"id": "…", "split": "train", "seconds": 31.2, "files": {"keyboard": "audio/…", "guitar": "…"}}]}

Files are mono and lie below the index. A slice is read from disk when it is asked for: hours need no memory.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from realtime.errors import ConfigError, DataError

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pair:
    """One passage played by two instruments, sample-aligned."""

    id: str
    origin: Path
    target: Path
    samples: int


@dataclass(frozen=True, slots=True)
class PairedIndex:
    """The pairs of one origin and one target, by split."""

    sample_rate: int
    train: tuple[Pair, ...]
    validation: tuple[Pair, ...]
    licences: tuple[str, ...] = ()
    """Of the notes that both instruments were rendered from, where the index tells."""

    @classmethod
    def read(cls, path: Path, origin: str, target: str) -> PairedIndex:
        """Read the index; ConfigError when it is absent, DataError when it does not hold these instruments."""
        index = read_index(path)
        pairs, rate = index["pairs"], int(index["sample_rate"])
        instruments = sorted({name for pair in pairs for name in pair["files"]})
        for name in (origin, target):
            if name not in instruments:
                raise DataError(f"{path} has no instrument {name!r}: choose among {', '.join(instruments)}")
        splits: dict[str, list[Pair]] = {"train": [], "validation": []}
        for pair in pairs:
            files = pair["files"]
            if pair["split"] in splits and origin in files and target in files:
                a, b = path.parent / files[origin], path.parent / files[target]
                splits[pair["split"]].append(Pair(str(pair["id"]), a, b, common_length([a, b], rate)))
        for split, found in splits.items():
            if not found:
                raise DataError(f"{path} has no pair of {origin} and {target} in its {split} split: prepare more pairs")
        instruments_told = index.get("instruments", {})
        told = {str(x) for name in (origin, target) for x in instruments_told.get(name, {}).get("licences", ())}
        return cls(rate, tuple(splits["train"]), tuple(splits["validation"]), tuple(sorted(told)))


def read_index(path: Path) -> dict[str, Any]:
    """An index.json of `prepare paired`; ConfigError when it is absent, DataError when it is another file."""
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not all({"files", "split", "id"} <= set(pair) for pair in index["pairs"]) or "sample_rate" not in index:
            raise KeyError
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): make it with `retimbre prepare paired`"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not an index of pairs: make it with `retimbre prepare paired`") from error
    return index


def read_slice(path: Path, start: int, samples: int) -> FloatArray:
    """Samples [start, start + samples) of a mono file, zeros where it has ended."""
    out = np.zeros(samples, np.float32)
    try:
        with soundfile.SoundFile(path) as file:
            file.seek(min(start, file.frames))
            data = file.read(samples, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise DataError(f"{path} cannot be read ({error}): run `retimbre prepare` again") from error
    out[: len(data)] = data[:, 0]
    return out


def common_length(paths: Sequence[Path], rate: int) -> int:
    """Samples of the shortest file; DataError when one cannot be read or is not at `rate`."""
    lengths: list[int] = []
    for path in paths:
        try:
            info = soundfile.info(str(path))
        except (OSError, soundfile.LibsndfileError) as error:
            raise DataError(f"{path} cannot be read ({error}): run `retimbre prepare paired` again") from error
        if info.samplerate != rate:
            raise DataError(f"{path} is at {info.samplerate} Hz but its index says {rate}: prepare the pairs again")
        lengths.append(int(info.frames))
    return min(lengths)
