"""GuitarSet: six guitarists, thirty accompaniments each and thirty solos over them.

    audio_mono-mic/00_BN1-129-Eb_comp_mic.wav              player_style+progression-tempo-key_part_recording
    audio_mono-pickup_mix/00_BN1-129-Eb_solo_mix.wav
    audio_hex-pickup_original/…_hex.wav   audio_hex-pickup_debleeded/…_hex_cln.wav      six channels, one a string
    annotation/00_BN1-129-Eb_comp.jams                     not needed here

Xi, Bittner, Pauwels, Ye, Bello, "GuitarSet: a dataset for guitar transcription", ISMIR 2018. Solo and accompaniment of
one excerpt begin together and are mixed, as the dissertation does; no player is in two splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trainer.config import setting
from trainer.datasets.item import Dataset, Item, below, not_here

NAME = re.compile(r"(?P<player>\d\d)_(?P<piece>[A-Za-z]+\d-\d+-[A-G][b#]?)_(?P<part>solo|comp)_(?P<how>[a-z_]+)\.wav")


@dataclass(frozen=True, slots=True)
class Options:
    """Which of the recordings."""

    part: Literal["mixed", "solo", "comp", "both"] = setting(
        "mixed", "mixed: solo over its accompaniment; both: each by itself"
    )
    recording: Literal["mic", "mix", "hex", "hex_cln"] = setting(
        "mic", "mic: microphone; mix: pickup; hex, hex_cln: six strings, mixed"
    )


def find(root: Path, options: Options) -> Iterator[Item]:
    """One item for each excerpt, or for each of its parts."""
    how = options.recording
    parts: dict[str, dict[str, Path]] = {}
    for path in below(root, (f"*_{how}.wav",)):
        named = NAME.fullmatch(path.name)
        if named and named["how"] == how:
            parts.setdefault(f"{named['player']}_{named['piece']}", {})[named["part"]] = path
    if not parts:
        raise not_here(root, "GuitarSet", f"a folder with files such as 00_BN1-129-Eb_comp_{how}.wav")
    for excerpt, paths in sorted(parts.items()):
        chosen = [part for part in sorted(paths) if options.part in (part, "both")]
        if options.part == "mixed" and len(paths) == 2:
            yield _item(paths["comp"], f"{excerpt}_mixed_{how}", (paths["solo"],))
        for part in chosen:
            yield _item(paths[part], f"{excerpt}_{part}_{how}")


def _item(path: Path, inside: str, mixed_with: tuple[Path, ...] = ()) -> Item:
    player = f"player_{inside[:2]}"
    return Item(
        path, inside, "guitar", group=player, source=f"guitarset_{player}", licence="CC-BY-4.0", mixed_with=mixed_with
    )


DATASET = Dataset(
    name="guitarset",
    title="GuitarSet: six guitarists, solos and accompaniments",
    address="https://zenodo.org/records/3371780 (audio_mono-mic.zip, or audio_mono-pickup_mix.zip, "
    "audio_hex-pickup_original.zip, audio_hex-pickup_debleeded.zip)",
    size="0.7 GB for one of the mono recordings, 3.6 GB for hex; 360 excerpts of about 30 s (3 hours)",
    licence="CC BY 4.0 (the annotations and code MIT)",
    layout="audio_mono-mic/00_BN1-129-Eb_comp_mic.wav … (also _mix, _hex, _hex_cln)",
    notes="No own splits: whole players go to validation and to test.",
    Options=Options,
    find=find,
)
