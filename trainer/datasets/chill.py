"""The pair of domains of "chillify": pop and rock on one side, chill music on the other.

    FMA (genres Pop, Rock)                      ─▶ domain pop_rock
    FMA (chill genres)  +  long streams, files  ─▶ domain chill
    each cut into non-silent intervals, pieces of 30 s, brought to one loudness (ITU-R BS.1770, pyloudnorm)

The dissertation took 60 hours of a "chill lo-fi" stream and found that its network learnt to mute: voices, which only
one of the domains had, and levels. Hence one loudness here, and `--instrumental` for FMA's side. A stream is kept in
one split; fewer than three streams are each divided by time instead, the last tenths for validation and test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from realtime.errors import DataError
from trainer.datasets import fma
from trainer.datasets.cutting import Span
from trainer.datasets.item import Item, Silence
from trainer.recording_files import SOUND_FILES
from trainer.recordings import SplitSettings
from trainer.splits import check_fractions

POP_ROCK = ("Pop", "Rock")
CHILL = ("Chill-out", "Downtempo", "Trip-Hop", "Lounge", "Hip-Hop Beats")  # 6267 tracks of fma_large
SILENCE = Silence(below_db=60.0, gap_s=0.5, shortest_s=2.0)
PIECE_S = 30.0
LUFS = -23.0


def find(
    archive: Path | None,
    streams: Sequence[Path],
    *,
    pop: tuple[str, ...] = POP_ROCK,
    chill: tuple[str, ...] = CHILL,
    instrumental: float = 0.0,
    silence: Silence = SILENCE,
) -> Iterator[Item]:
    """Both domains; a track that belongs to both is left out. Streams have no split yet."""
    if archive is not None:
        sides = {"pop_rock": fma.genre_numbers(archive, pop), "chill": fma.genre_numbers(archive, chill)}
        for track in fma.tracks(archive, instrumental):
            domains = [name for name, numbers in sides.items() if track.genres & numbers]
            if len(domains) == 1:
                yield replace(track.item(domains[0]), silence=silence)
    for folder in streams:
        found = [folder] if folder.is_file() else sorted(folder.rglob("*"))
        files = [path for path in found if path.suffix.lower() in SOUND_FILES and path.is_file()]
        if not files:
            raise DataError(f"There are no sound files in {folder}: give a folder of chill recordings, or a file.")
        for path in files:
            inside = path.relative_to(folder).as_posix() if path != folder else path.name
            yield Item(
                path, f"{folder.name}/{inside}", "chill", group=f"stream {path.resolve()}", source=path.stem,
                silence=silence,
            )  # fmt: skip


def divided_by_time(cut: Sequence[tuple[Item, list[Span]]], splits: SplitSettings) -> Iterator[tuple[Item, list[Span]]]:
    """Each item three times: its first spans for training, then those for validation, the last for test."""
    check_fractions(splits.validation, splits.test)
    for item, spans in cut:
        total = sum((stop or start) - start for start, stop, _ in spans)
        parts: dict[str, list[Span]] = {"train": [], "validation": [], "test": []}
        heard = 0.0
        for span in spans:
            seconds = (span[1] or span[0]) - span[0]
            place = (heard + seconds / 2) / total if total else 0.0
            heard += seconds
            name = "train"
            if place >= 1 - splits.test:
                name = "test"
            elif place >= 1 - splits.test - splits.validation:
                name = "validation"
            parts[name].append(span)
        yield from ((replace(item, split=name), part) for name, part in parts.items() if part)
