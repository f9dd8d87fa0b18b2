"""How often a trained classifier is right: accuracy and confusion matrix on sound that it did not learn from. Offline.

    run folder ─▶ recipe, best weights ─┬─ phrases: every recording of a split that is no single note,
                                        │           each window of 2 s by itself, and the recording by their mean
                                        └─ melodies: excerpts made of the split's single notes, dry
    report.json, report.md, and a table in the terminal

Rows of a matrix are what was played, columns what it was taken for. Each class counts the same in `accuracy`; where a
split holds only some of the classes, the mean is over those.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from realtime.errors import ConfigError, DataError
from realtime.resample import resample_signal
from trainer import excerpts, judge
from trainer.checkpoint import load_run
from trainer.classification import ClassifierRecipe
from trainer.evaluate import clips_of_recordings
from trainer.export import load_recipe
from trainer.recipe import find

Audio = NDArray[np.float32]
MELODIES = 100  # of each class


@dataclass(slots=True)
class Verdicts:
    """What one kind of sound of one split was taken for."""

    split: str
    kind: str
    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    """(played, named)."""

    @property
    def heard(self) -> int:
        """Sounds in all."""
        return int(self.counts.sum())

    @property
    def shares(self) -> dict[str, float]:
        """Share named right of each class that was heard."""
        sums = self.counts.sum(1)
        return {name: float(self.counts[k, k] / sums[k]) for k, name in enumerate(self.classes) if sums[k]}

    @property
    def accuracy(self) -> float:
        """The mean of `shares`."""
        return float(np.mean(list(self.shares.values())))

    def table(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "split": self.split, "kind": self.kind, "heard": self.heard, "accuracy": self.accuracy,
            "right": self.shares, "counts": self.counts.tolist(),
        }  # fmt: skip


@dataclass(slots=True)
class ClassifierReport:
    """Everything that was measured."""

    name: str
    recipe: str
    parameters: int
    step: int
    verdicts: list[Verdicts] = field(default_factory=list)


def measure(
    run_folder: Path,
    indexes: Sequence[Path] = (),
    splits: Sequence[str] = ("validation", "test"),
    limit: int | None = None,
) -> ClassifierReport:
    """Ask the classifier of a run about `indexes` (left out: those of the run).

    limit: phrases of each domain, and melodies of each class (left out: all, and MELODIES).
    Raises ConfigError when the run trained no classifier, DataError when the splits hold no sound of its classes.
    """
    run, _ = load_run(run_folder)
    if not issubclass(find(run.recipe), ClassifierRecipe):
        raise ConfigError(
            f"{run_folder} trained a {run.recipe}, which is no classifier: export it with `retimbre export` and "
            "evaluate the package"
        )
    recipe = load_recipe(run_folder)
    assert isinstance(recipe, ClassifierRecipe)
    indexes = tuple(indexes) or recipe.config.data.indexes
    step = int(torch.load(run_folder / "best.pt", map_location="cpu", weights_only=True)["step"])
    parameters = sum(p.numel() for p in recipe.network.parameters())
    report = ClassifierReport(run_folder.name, recipe.name, parameters, step)
    for split in splits:
        report.verdicts += [
            *_phrases(recipe, indexes, split, limit),
            *_melodies(recipe, indexes, split, limit or MELODIES),
        ]
    if not report.verdicts:
        raise DataError(
            f"The splits {', '.join(splits)} hold no sound of {', '.join(recipe.config.data.classes)}: prepare some, "
            "or name other splits with --split."
        )
    return report


def _scores(recipe: ClassifierRecipe, parts: Sequence[Audio]) -> torch.Tensor:
    """Scores (parts, classes) of stretches at the judge's rate, each filled up to the excerpt's length."""
    length = int(recipe.config.data.seconds * judge.SAMPLE_RATE)
    padded = [np.pad(part[:length], (0, max(0, length - len(part)))) for part in parts]
    x = torch.from_numpy(np.stack([judge.log_mel(part) for part in padded])[:, None])
    with torch.no_grad():
        return torch.cat([recipe.scores(piece) for piece in x.split(32)])


def _phrases(recipe: ClassifierRecipe, indexes: Sequence[Path], split: str, limit: int | None) -> list[Verdicts]:
    classes = tuple(recipe.config.data.classes)
    windows = np.zeros((len(classes), len(classes)), np.int64)
    whole = windows.copy()
    for index in indexes:
        for clip in clips_of_recordings(index, (split,), limit=limit):
            if (truth := judge.class_of(clip.domain)) not in classes:
                continue
            parts = judge.windows(resample_signal(clip.signal, clip.sample_rate, judge.SAMPLE_RATE))
            scores = _scores(recipe, parts)
            played = classes.index(truth)
            for named in scores.argmax(1).tolist():
                windows[played, named] += 1
            whole[played, int(scores.mean(0).argmax())] += 1
    found = [Verdicts(split, "windows", classes, windows), Verdicts(split, "recordings", classes, whole)]
    return [one for one in found if one.heard]


def _melodies(recipe: ClassifierRecipe, indexes: Sequence[Path], split: str, melodies: int) -> list[Verdicts]:
    data = recipe.config.data
    bank = excerpts.load_bank(indexes, (split,), data.classes)
    counts = np.zeros((len(data.classes), len(data.classes)), np.int64)
    for name, sources in bank.sounds.items():
        noted = {
            source: [sound for sound in sounds if sound.midi is not None]
            for source, sounds in sources.items()
            if any(sound.midi is not None for sound in sounds)
        }
        if not noted:
            continue
        single = excerpts.Bank({name: noted})
        drawn = [
            excerpts.excerpt(single, name, data.seconds, np.random.default_rng([17, data.classes.index(name), number]))
            for number in range(melodies)
        ]
        for named in _scores(recipe, drawn).argmax(1).tolist():
            counts[data.classes.index(name), named] += 1
    return [Verdicts(split, "melodies", tuple(data.classes), counts)] if counts.sum() else []


def print_report(report: ClassifierReport, console: Console) -> None:
    """One confusion matrix for each kind of sound."""
    console.print(f"{report.name}: {report.recipe}, {report.parameters:,} parameters, step {report.step}")
    for one in report.verdicts:
        table = Table(title=f"{one.split} {one.kind}: {one.heard} heard, accuracy {one.accuracy:.3f}")
        table.add_column("played \\ named")
        for name in (*one.classes, "right"):
            table.add_column(name, justify="right")
        for name, row in zip(one.classes, one.counts, strict=True):
            if row.sum():
                table.add_row(name, *(str(n) if n else "·" for n in row), f"{one.shares[name]:.2f}")
        console.print(table)


def write_report(report: ClassifierReport, folder: Path) -> None:
    """report.json and report.md in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {**dataclasses.asdict(report), "verdicts": [one.table() for one in report.verdicts]}
    (folder / "report.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    lines = [f"# {report.name}", "", f"{report.recipe}, {report.parameters:,} parameters, step {report.step}.", ""]
    for one in report.verdicts:
        lines += [f"## {one.split}, {one.kind}: {one.heard} heard, accuracy {one.accuracy:.3f}", ""]
        lines += ["| played \\ named | " + " | ".join(one.classes) + " |", "|---" * (len(one.classes) + 1) + "|"]
        lines += [
            f"| {name} | " + " | ".join(map(str, row)) + " |"
            for name, row in zip(one.classes, one.counts, strict=True)
            if row.sum()
        ]
        lines.append("")
    (folder / "report.md").write_text("\n".join(lines), encoding="utf-8")
