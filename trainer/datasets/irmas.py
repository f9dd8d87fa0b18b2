"""IRMAS: which instrument leads; 6705 excerpts of three seconds to train on, 2874 longer ones to test.

    IRMAS-TrainingData/cel/[cel][cla]0001__1.wav           folder = instrument; [genre]; recording 0001, excerpt 1
    IRMAS-TrainingData/gac/008__[gac][nod][jaz_blu]0042__3.wav      [dru] with, [nod] without drums
    IRMAS-TestingData-Part1/Part1/Some title-3.wav + .txt  one instrument a line

Bosch, Janer, Fuhrmann, Herrera, "A comparison of sound segregation techniques for predominant instrument recognition",
ISMIR 2012. Excerpts of one recording stay together; test excerpts with several instruments name no domain and are left
out. Validation is taken from the training recordings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from realtime.errors import DataError
from trainer.config import setting
from trainer.datasets.item import Dataset, Item, below, not_here

INSTRUMENTS = {
    "cel": "cello", "cla": "clarinet", "flu": "flute", "gac": "guitar_acoustic", "gel": "guitar_electric",
    "org": "organ", "pia": "piano", "sax": "saxophone", "tru": "trumpet", "vio": "violin", "voi": "voice",
}  # fmt: skip
_RECORDING = re.compile(r"(\d+)__\d+\.wav$")
_LICENCE = "CC-BY-NC-SA-3.0"


@dataclass(frozen=True, slots=True)
class Options:
    """Which excerpts."""

    drums: Literal["any", "without"] = setting("any", "without: leave out training excerpts marked [dru]")


def find(root: Path, options: Options) -> Iterator[Item]:
    """The training excerpts by folder, then the test excerpts with one label."""
    folders = below(root, tuple(INSTRUMENTS))
    tests = sorted(path for part in ("Part1", "Part2", "Part3") for path in root.rglob(f"{part}/*.txt"))
    if not folders and not tests:
        raise not_here(root, "IRMAS", "IRMAS-TrainingData/cel … or IRMAS-TestingData-Part1/Part1")
    for folder in folders:
        for path in sorted(folder.glob("*.wav")):
            if options.drums == "without" and "[dru]" in path.name:
                continue
            named = _RECORDING.search(path.name)
            if named is None:
                raise DataError(
                    f"{path} is not named as IRMAS names excerpts ([cel][cla]0001__1.wav): unpack it again."
                )
            # the number counts recordings through all folders
            yield Item(
                path, f"{folder.name}/{path.name}", INSTRUMENTS[folder.name], group=f"training {named[1]}",
                split="train", source=f"irmas_{named[1]}", licence=_LICENCE,
            )  # fmt: skip
    for labels in tests:
        names = [line.strip() for line in labels.read_text(encoding="utf-8", errors="replace").split() if line.strip()]
        unknown = [name for name in names if name not in INSTRUMENTS]
        if unknown:
            raise DataError(f"{labels} names the instrument {unknown[0]!r}: IRMAS knows {', '.join(INSTRUMENTS)}.")
        if len(names) == 1:
            title = re.sub(r"-\d+$", "", labels.stem)
            yield Item(
                labels.with_suffix(".wav"), f"{labels.parent.name}/{labels.stem}", INSTRUMENTS[names[0]],
                group=f"test {title}", split="test", source=f"irmas_{title}", licence=_LICENCE,
            )  # fmt: skip


DATASET = Dataset(
    name="irmas",
    title="IRMAS: the leading instrument in real music",
    address="https://zenodo.org/records/1290750 (IRMAS-TrainingData.zip, IRMAS-TestingData-Part1…3.zip)",
    size="about 3.2 GB for training, three further archives for test; 6705 excerpts of 3 s and 2874 of 5 to 20 s",
    licence="CC BY-NC-SA 3.0: what is trained on it may not be sold",
    layout="IRMAS-TrainingData/cel/[cel][cla]0001__1.wav, IRMAS-TestingData-Part1/Part1/NAME.wav with NAME.txt",
    notes="Own train and test; validation is taken from the training recordings, whole recordings at a time.",
    Options=Options,
    find=find,
)
