"""How systems of aligned passages are judged on unseen ones: windows of them, as played, against the target's playing.

    validation passage ─▶ windows, origins in turn ─▶ made ─▶ log-mel distance to what each target played there

distance_db: to the truth; gain: how much nearer than the input; named: share of windows that are nearer to the truth of
their target than to any other target's playing; db_NAME: the distance of one target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from realtime.errors import ConfigError
from trainer import features
from trainer.paired_spectra import spread
from trainer.pairs import read_slice
from trainer.passages import FloatArray, Passage, Passages


class Window(NamedTuple):
    """Where in a passage is judged, and what becomes of whom."""

    passage: Passage
    start: int
    origin: str
    target: str


def origins_of(passage: Passage, origins: Sequence[str], target: str) -> list[str]:
    """Who plays the passage and may be heard in place of `target`."""
    return [name for name in origins if name in passage.files and name != target]


def windows_of(
    passages: Passages, origins: Sequence[str], targets: Sequence[str], samples: int, most: int
) -> list[Window]:
    """At most `most` windows of `samples` for each target, origins in turn; ConfigError when a target has none."""
    found = []
    for name in targets:
        starts = [
            (passage, start)
            for passage in passages.validation
            if name in passage.files and origins_of(passage, origins, name)
            for start in range(0, max(1, passage.samples - samples + 1), samples)
        ]
        if not starts:
            raise ConfigError(
                f"data.origins has no other instrument that plays a validation passage with {name}: name two "
                "instruments at least"
            )
        for number, (passage, start) in enumerate(spread(starts, most)):
            heard = origins_of(passage, origins, name)
            found.append(Window(passage, start, heard[number % len(heard)], name))
    return found


def judged(
    windows: Sequence[Window],
    targets: Sequence[str],
    samples: int,
    rate: int,
    play: Callable[[FloatArray, str], FloatArray],
) -> dict[str, float]:
    """The measures above; play: makes of a signal (samples,) the same length, aligned, in the sound of a target."""
    per_target: dict[str, list[float]] = {name: [] for name in targets}
    before, named = [], []
    for passage, start, origin, name in windows:
        x = read_slice(passage.files[origin], start, samples)
        made = torch.from_numpy(play(x, name))
        truths = {
            other: torch.from_numpy(read_slice(passage.files[other], start, samples))
            for other in targets
            if other in passage.files
        }
        far = {other: float(features.log_mel_distance_db(made, truth, rate)) for other, truth in truths.items()}
        per_target[name].append(far[name])
        before.append(float(features.log_mel_distance_db(torch.from_numpy(x), truths[name], rate)))
        named.append(float(min(far, key=lambda other: far[other]) == name))
    overall = float(np.mean([value for found in per_target.values() for value in found]))
    return {
        "distance_db": overall,
        "gain": 1 - overall / max(float(np.mean(before)), 1e-9),
        "named": float(np.mean(named)),
        **{f"db_{name}": float(np.mean(found)) for name, found in per_target.items() if found},
    }
