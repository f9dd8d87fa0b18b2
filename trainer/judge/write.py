"""`python -m trainer.judge.write RUN [--out FOLDER]`: the judge's files from a trained classifier, with its accuracy.

The accuracy is measured on real phrases that training never saw: every recording of the `test` split that is no single
note (other players, rooms and microphones than any training source), and melodies of the validation sources' notes.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainer import checkpoint, excerpts
from trainer.evaluate import clips_of_recordings
from trainer.judge import SAMPLE_RATE, Judge, class_of
from trainer.models.classifier import Classifier, write_judge

MELODY_SECONDS, MELODIES = 4.0, 16


def accuracy(judge: Judge, indexes: Sequence[Path]) -> dict[str, Any]:
    """Share named right per class and in the mean of the classes; `named` counts what each class was taken for."""
    result: dict[str, Any] = {}
    named: dict[str, Counter[str]] = {}
    for path in indexes:
        for clip in clips_of_recordings(path, ("test",)):
            if (truth := class_of(clip.domain)) in judge.classes:
                named.setdefault(truth, Counter())[judge.name(clip.signal, clip.sample_rate)] += 1
    result["phrases"] = _shares(named)
    bank = excerpts.load_bank(indexes, ("validation",), judge.classes)
    named = {}
    for truth in bank.classes():
        for number in range(MELODIES):
            sound = excerpts.excerpt(bank, truth, MELODY_SECONDS, np.random.default_rng([11, number]))
            named.setdefault(truth, Counter())[judge.name(sound, SAMPLE_RATE)] += 1
    result["melodies"] = _shares(named)
    return result


def _shares(named: dict[str, Counter[str]]) -> dict[str, Any]:
    right = {truth: counts[truth] / counts.total() for truth, counts in sorted(named.items())}
    return {
        "mean": float(np.mean(list(right.values()))) if right else None,
        "clips": sum(counts.total() for counts in named.values()),
        "overall": sum(c[t] for t, c in named.items()) / max(1, sum(c.total() for c in named.values())),
        "right": right,
        "named": {truth: dict(counts.most_common()) for truth, counts in sorted(named.items())},
    }


def load_classifier(run_folder: Path) -> Classifier:
    """The trained classifier with its averaged weights, the newest checkpoint of the run."""
    run, config = checkpoint.load_run(run_folder)
    recipe = Classifier(config, run)
    checkpoint.load_networks(recipe, checkpoint.load_checkpoint(run_folder / "last.pt", torch.device("cpu")))
    return recipe


def main() -> None:
    """Write the files beside `trainer.judge`, or into --out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder (its run.out)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of classifier.onnx and .json")
    given = parser.parse_args()
    recipe = load_classifier(given.run)
    data = recipe.config.data
    with tempfile.TemporaryDirectory() as draft:
        write_judge(recipe.network, data, {}, Path(draft))
        measured = accuracy(Judge(Path(draft)), data.indexes)
    write_judge(recipe.network, data, measured, given.out)
    for name, part in measured.items():
        print(f"{name}: {part['clips']} clips, right {part['overall']:.3f}, mean over classes {part['mean']:.3f}")  # noqa: T201
        for truth, share in part["right"].items():
            print(f"  {truth:12} {share:5.2f}  {part['named'][truth]}")  # noqa: T201


if __name__ == "__main__":
    main()
