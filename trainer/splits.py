"""Which part of the data a recording belongs to: training, validation or test; decided per recording, never per slice.

Three sources, the first that speaks wins: a row of the user's split file, the `split` column of the folder's own
metadata, and a hash of the recording's name (or of its source, so that no source is in two parts).

A split file is a CSV with a column `split` (train, validation, test, or `leave` for "not used") and any of `domain`,
`source`, `file`: a row applies when all its non-empty cells match, with `*` and `?` as in file names; the first row
that applies decides.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from realtime.errors import ConfigError

SPLITS = ("train", "validation", "test")
LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class SplitRule:
    """One row of a split file; empty patterns match everything."""

    split: str
    domain: str = "*"
    source: str = "*"
    file: str = "*"

    def applies(self, domain: str, source: str, file: str) -> bool:
        """True when every pattern matches."""
        return fnmatchcase(domain, self.domain) and fnmatchcase(source, self.source) and fnmatchcase(file, self.file)


def read_split_file(path: Path) -> tuple[SplitRule, ...]:
    """The rules of a split file, in order; ConfigError names the row that is wrong."""
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            rows, columns = list(reader), tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The split file {path} cannot be read ({error}): give a CSV file.") from error
    unknown = set(columns) - {"split", "domain", "source", "file"}
    if "split" not in columns or unknown:
        raise ConfigError(
            f"The split file {path} has the columns {', '.join(columns) or 'none'}: it needs `split` and may have "
            "`domain`, `source` and `file`, and no others."
        )
    rules = []
    for number, row in enumerate(rows, start=2):
        cells = {name: (value or "").strip() for name, value in row.items() if name}
        if cells["split"] not in (*SPLITS, LEAVE):
            raise ConfigError(
                f"Line {number} of {path} says split `{cells['split']}`: write train, validation, test or leave."
            )
        patterns = {name: cells.get(name) or "*" for name in ("domain", "source", "file")}
        rules.append(SplitRule(split=cells["split"], **patterns))
    return tuple(rules)


def unit_hash(text: str) -> float:
    """A number in [0, 1) that depends on `text` alone, the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") / 2.0**56


def check_fractions(validation: float, test: float) -> None:
    """ConfigError unless something is left to train on."""
    if validation < 0 or test < 0 or validation + test >= 1:
        raise ConfigError(
            f"The fractions validation {validation:g} and test {test:g} leave nothing to train on: each must be at "
            "least 0 and their sum below 1."
        )


def by_hash(key: str, *, validation: float, test: float, seed: int) -> str:
    """The part that the hash of `seed` and `key` falls into."""
    place = unit_hash(f"{seed}:{key}")
    if place < test:
        return "test"
    return "validation" if place < test + validation else "train"


def by_rules(rules: Sequence[SplitRule], *, domain: str, source: str, file: str) -> str | None:
    """The split of the first rule that applies; None when none does."""
    return next((rule.split for rule in rules if rule.applies(domain, source, file)), None)
