"""Free Music Archive: clips of 30 s with genre, artist and licence of every track.

    fma_metadata/tracks.csv    three header rows: group (album, artist, set, track), name, then `track_id,,,…`
    fma_metadata/genres.csv    genre_id,#tracks,parent,title,top_level
    fma_metadata/echonest.csv  four header rows; instrumentalness of 13 129 tracks
    fma_small/000/000002.mp3   (fma_medium, fma_large, fma_full)      the track's number, its thousands as the folder

Defferrard, Benzi, Vandergheynst, Bresson, "FMA: a dataset for music analysis", ISMIR 2017. The domain is the top genre.
Own splits; no artist is in two of them. The table is read row by row.
"""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import ConfigError, DataError
from trainer.config import setting
from trainer.datasets.item import Dataset, Item, below, not_here, slug

_SPLITS = {"training": "train", "validation": "validation", "test": "test"}
_COLUMNS = (
    ("set", "split"), ("track", "genre_top"), ("track", "genres_all"), ("track", "license"), ("artist", "id"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """Which tracks."""

    instrumental: float = setting(
        0.0, "only tracks whose instrumentalness in echonest.csv is at least this (0: all)", minimum=0, maximum=1
    )


@dataclass(frozen=True, slots=True)
class Track:
    """One row of tracks.csv whose clip may be there."""

    number: int
    path: Path
    split: str
    top_genre: str
    genres: frozenset[int]  # with all that they belong to
    artist: str
    licence: str

    def item(self, domain: str) -> Item:
        """The track as an item of `domain`."""
        return Item(
            self.path, f"{self.path.parent.name}/{self.path.stem}", domain, group=f"artist {self.artist}",
            split=self.split, source=f"fma_artist_{self.artist}", licence=self.licence,
        )  # fmt: skip


def find(root: Path, options: Options) -> Iterator[Item]:
    """Every track that has a top genre."""
    for track in tracks(root, options.instrumental):
        if track.top_genre:
            yield track.item(slug(track.top_genre))


def tracks(root: Path, instrumental: float = 0.0) -> Iterator[Track]:
    """Every row of tracks.csv, in its order."""
    table = _table(root, "tracks.csv")
    audio = [path for path in below(root, ("fma_*",)) if path.is_dir() and path.name != "fma_metadata"]
    if not audio:
        raise not_here(root, "clips of FMA", "fma_small (or fma_medium, fma_large, fma_full) beside fma_metadata")
    chosen = _instrumental(table.with_name("echonest.csv"), instrumental) if instrumental > 0 else None
    csv.field_size_limit(1 << 24)  # biographies
    with table.open(newline="", encoding="utf-8") as handle:
        reader = csv.reader(handle)
        names = list(zip(next(reader, []), next(reader, []), strict=False))
        next(reader, None)  # track_id
        try:
            split, top, genres, licence, artist = (names.index(column) for column in _COLUMNS)
        except ValueError as error:
            wanted = ", ".join("/".join(column) for column in _COLUMNS)
            raise DataError(f"{table} lacks one of the columns {wanted}: unpack fma_metadata.zip again.") from error
        for row in reader:
            if chosen is not None and row[0] not in chosen:
                continue
            number = int(row[0])
            inside = f"{number // 1000:03d}/{number:06d}.mp3"
            path = next((folder / inside for folder in audio if (folder / inside).is_file()), audio[-1] / inside)
            yield Track(
                number, path, _SPLITS.get(row[split], ""), row[top], frozenset(json.loads(row[genres] or "[]")),
                row[artist], row[licence],
            )  # fmt: skip


def genre_numbers(root: Path, titles: tuple[str, ...]) -> frozenset[int]:
    """The numbers of the genres of these titles, in any spelling; ConfigError for one that genres.csv has not."""
    with _table(root, "genres.csv").open(newline="", encoding="utf-8") as handle:
        known = {slug(row["title"]): (int(row["genre_id"]), row["title"]) for row in csv.DictReader(handle)}
    for title in titles:
        if slug(title) not in known:
            near = difflib.get_close_matches(slug(title), known, n=3, cutoff=0.5) or sorted(known)[:8]
            raise ConfigError(
                f"genres.csv has no genre {title}: it has, among others, {', '.join(known[name][1] for name in near)}."
            )
    return frozenset(known[slug(title)][0] for title in titles)


def _table(root: Path, name: str) -> Path:
    found = below(root, (name, f"fma_metadata/{name}"))
    if not found:
        raise not_here(root, "FMA", f"fma_metadata/{name}")
    return found[0]


def _instrumental(path: Path, least: float) -> frozenset[str]:
    """Track numbers, as text, whose instrumentalness is at least `least`."""
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            reader = csv.reader(handle)
            names = list(zip(*(next(reader) for _ in range(3)), strict=True))
            column = names.index(("echonest", "audio_features", "instrumentalness"))
            next(reader)
            return frozenset(row[0] for row in reader if row[column] and float(row[column]) >= least)
    except (OSError, ValueError, StopIteration) as error:
        raise DataError(f"{path} tells no instrumentalness ({error}): unpack fma_metadata.zip beside it.") from error


DATASET = Dataset(
    name="fma",
    title="Free Music Archive: clips of 30 s by genre",
    address="https://github.com/mdeff/fma (fma_metadata.zip, and fma_small.zip, fma_medium.zip, fma_large.zip "
    "or fma_full.zip)",
    size="metadata 0.34 GiB; small 7.2 GiB (8000 clips), medium 22 GiB (25 000), large 93 GiB (106 574), full 879 GiB",
    licence="metadata CC BY 4.0; each track has its own, which the index keeps",
    layout="fma_metadata/tracks.csv, genres.csv and fma_small/000/000002.mp3",
    notes="Own splits, which share no artist. Domains are the top genres.",
    Options=Options,
    find=find,
)
