"""MusicNet: 330 recordings of chamber music, with labels of every note.

    musicnet/train_data/1727.wav  train_labels/1727.csv   test_data/…  test_labels/…
    musicnet_metadata.csv     id,composer,composition,movement,ensemble,source,transcriber,catalog_name,seconds
    1727.csv                  start_time,end_time,instrument,note,start_beat,end_beat,note_value   (samples at 44.1 kHz)

Thickstun, Harchaoui, Kakade, "Learning features of music from scratch", ICLR 2017. The domain is the ensemble
(solo_violin, solo_flute, string_quartet …); without the metadata it is what the labels' programs say (General MIDI,
counted from 1). Movements of one composition played by one ensemble stay together, and those that the published test
shares with the published training are left out of training.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from realtime.errors import DataError
from trainer.datasets.item import Dataset, Item, NoOptions, below, not_here, slug

PROGRAMS = {
    1: "piano", 7: "harpsichord", 41: "violin", 42: "viola", 43: "cello", 44: "double_bass", 61: "french_horn",
    69: "oboe", 71: "bassoon", 72: "clarinet", 74: "flute",
}  # fmt: skip


def find(root: Path, _options: NoOptions) -> Iterator[Item]:
    """Every recording of train_data and test_data."""
    folders = below(root, ("train_data", "test_data"))
    if not folders:
        raise not_here(root, "MusicNet", "train_data with 1727.wav, train_labels with 1727.csv")
    tables = [path for path in (folders[0].parent, *folders[0].parents[1:3]) if (path / _METADATA).is_file()]
    told = _metadata(tables[0] / _METADATA) if tables else {}
    for folder in folders:
        split = folder.name.removesuffix("_data")
        for path in sorted(folder.glob("*.wav")):
            row = told.get(path.stem)
            if row is None:
                domain, group, source = _from_labels(folder.parent / f"{split}_labels" / f"{path.stem}.csv"), "", ""
            else:
                domain = slug(row["ensemble"])
                group = f"{row['composer']}: {row['composition']}, {row['ensemble']}"
                source = slug(row.get("source", ""))
            yield Item(
                path, f"{folder.name}/{path.stem}", domain, group=group, split=split, source=source or "musicnet",
                licence="CC-BY-4.0",
            )  # fmt: skip


_METADATA = "musicnet_metadata.csv"


def _metadata(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        lacking = {"id", "composer", "composition", "ensemble"} - set(reader.fieldnames or ())
        if lacking:
            raise DataError(f"{path} has no column {', '.join(sorted(lacking))}: take it from the set again.")
        return {row["id"].strip(): row for row in reader}


def _from_labels(path: Path) -> str:
    """`solo_violin`, or `piano_and_violin`: the instruments of a recording's labels."""
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            programs = {int(row["instrument"]) for row in csv.DictReader(handle)}
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): unpack the labels, or put {_METADATA} beside the set."
        ) from error
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path} has no labels of instruments ({error}): unpack the set again.") from error
    names = sorted(PROGRAMS.get(program, f"program_{program}") for program in programs)
    return f"solo_{names[0]}" if len(names) == 1 else "_and_".join(names)


DATASET = Dataset(
    name="musicnet",
    title="MusicNet: chamber music with labelled notes",
    address="https://zenodo.org/records/5120004 (musicnet.tar.gz, musicnet_metadata.csv)",
    size="11.1 GB packed; 330 recordings, 34 hours",
    licence="CC BY 4.0",
    layout="musicnet/{train,test}_data/1727.wav, musicnet/{train,test}_labels/1727.csv, musicnet_metadata.csv",
    notes="Own train and test; validation is taken from training, whole compositions at a time.",
    Options=NoOptions,
    find=find,
    piece_s=60.0,
)
