"""MAESTRO: 200 hours of piano competitions, version 1 to 3.

    maestro-v3.0.0/maestro-v3.0.0.csv   canonical_composer,canonical_title,split,year,…,audio_filename,duration
    maestro-v3.0.0/maestro-v3.0.0.json   v1 and v2: a list of such rows; v3: {"column": {"0": value, …}, …}
    maestro-v3.0.0/2018/MIDI-Unprocessed_Chamber3_MID--AUDIO_10_R3_2018_wav--1.wav

Hawthorne et al., "Enabling factorized piano music modeling and generation with the MAESTRO dataset", ICLR 2019. The
published splits share no composition; the set does not name its pianists.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from realtime.errors import DataError
from trainer.datasets.item import Dataset, Item, NoOptions, below, not_here


def find(root: Path, _options: NoOptions) -> Iterator[Item]:
    """Every recording that the newest table lists."""
    tables = below(root, ("maestro-v*.csv",)) or below(root, ("maestro-v*.json",))
    if not tables:
        raise not_here(root, "MAESTRO", "maestro-v3.0.0.csv (or v1, v2; or .json)")
    table = tables[-1]
    for row in rows(table):
        try:
            audio, split = row["audio_filename"], row["split"]
            group = f"{row['canonical_composer']}: {row['canonical_title']}"
            source = f"maestro_{row['year']}"
        except KeyError as error:
            raise DataError(f"{table} has no column {error}: unpack the set again.") from error
        yield Item(
            table.parent / audio, audio, "piano", group=group, split=split, source=source, licence="CC-BY-NC-SA-4.0"
        )


def rows(table: Path) -> Iterator[dict[str, str]]:
    """The rows of a table of any version, csv or json."""
    with table.open(newline="", encoding="utf-8-sig") as handle:
        if table.suffix == ".csv":
            yield from csv.DictReader(handle)
            return
        data = json.load(handle)
    if isinstance(data, dict):  # version 3 has columns
        for key in next(iter(data.values()), {}):
            yield {name: str(column[key]) for name, column in data.items()}
    else:
        for row in data:
            yield {name: str(value) for name, value in row.items()}


DATASET = Dataset(
    name="maestro",
    title="MAESTRO: 200 hours of piano",
    address="https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/maestro-v3.0.0.zip "
    "(about it: https://magenta.tensorflow.org/datasets/maestro)",
    size="101 GB packed, 120 GB unpacked; 1276 recordings, 199 hours",
    licence="CC BY-NC-SA 4.0: what is trained on it may not be sold",
    layout="maestro-v3.0.0.csv (or .json; v1 and v2 too) beside the folders of years, 2018/*.wav",
    notes="Own splits, which share no composition. Years that were not unpacked are left out.",
    Options=NoOptions,
    find=find,
    piece_s=60.0,
)
