"""What a set tells of one recording, and what a set tells of itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime.errors import DataError


@dataclass(frozen=True, slots=True)
class Silence:
    """How a recording is cut where it is silent."""

    below_db: float = 60.0  # under the file's loudest 50 ms
    gap_s: float = 0.5  # shorter rests do not cut
    shortest_s: float = 0.5  # shorter sounds are left out
    pitches: tuple[float, ...] = ()  # of the sounds in order, used if as many are found


@dataclass(frozen=True, slots=True)
class Item:
    """One recording of a set. `inside` is its path below the set's folder, unique; `group` what no two splits share."""

    path: Path
    inside: str
    domain: str
    group: str = ""  # player, instrument, artist; empty: the recording itself
    split: str = ""  # as the set publishes it; empty: it has none
    source: str = ""
    midi: float | None = None
    licence: str = ""
    mixed_with: tuple[Path, ...] = ()
    silence: Silence | None = None  # None: is not cut there


@dataclass(frozen=True, slots=True)
class Dataset:
    """A set: words for `--help`, a dataclass of its own options, and its reader."""

    name: str
    title: str
    address: str
    size: str
    licence: str
    layout: str
    notes: str
    Options: type[Any]
    find: Callable[[Path, Any], Iterator[Item]]
    piece_s: float = 0.0  # into what long recordings are cut; 0: they are kept whole


@dataclass(frozen=True, slots=True)
class NoOptions:
    """A set without options of its own."""


def slug(text: str) -> str:
    """A name for a domain: `Accompanied Violin` → `accompanied_violin`, `Hip-Hop` → `hip_hop`."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def below(root: Path, patterns: tuple[str, ...]) -> list[Path]:
    """What matches one of the patterns in `root`, else one folder deeper: a user gives the unpacked folder or above."""
    if not root.is_dir():
        raise DataError(f"There is no folder {root}: give the one that the set was unpacked into.")
    for prefix in ("", "*/", "*/*/"):
        found = sorted({path for pattern in patterns for path in root.glob(prefix + pattern)})
        if found:
            return found
    return []


def not_here(root: Path, dataset: str, wanted: str) -> DataError:
    """The error of a folder that does not hold the set."""
    return DataError(f"{root} does not hold {dataset}: {wanted} is expected in it; `--help` shows the layout.")
