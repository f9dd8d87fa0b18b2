"""A trained run as an effect on whole files: what `retimbre convert --method run --run FOLDER` opens.

    config.json, best.pt ─▶ recipe ─▶ Recipe.convert(signal, rate, target) ─▶ signal

Whatever cannot work is said when the effect is opened, before the first file is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from realtime.errors import ConfigError
from trainer.export import load_recipe
from trainer.recipe import Recipe

Audio = npt.NDArray[np.float32]
_TRIAL_SAMPLES = 16


class RunEffect:
    """Call it with (signal, rate, progress); see `realtime.methods.Effect`."""

    def __init__(self, folder: Path, target: str | None, temperature: float) -> None:
        """Raises ConfigError for a folder without a run, a run that makes no sound, or a target that it has not."""
        self._recipe = load_recipe(folder)
        self._target, self._temperature = target, temperature
        if not self._recipe.playable:
            raise ConfigError(
                f"{folder} trained a {self._recipe.name}, which makes no sound: give the folder of a system that plays"
            )
        if type(self._recipe).convert is Recipe.convert or target is not None:
            # Silence costs nothing, and an unknown target or a system without a way of its own speaks up.
            self._recipe.convert(np.zeros(_TRIAL_SAMPLES, np.float32), 8000, target, temperature=temperature)

    def __call__(self, signal: Audio, rate: int, progress: Callable[[float], None]) -> Audio:
        """(samples,) → (samples,), aligned."""
        return self._recipe.convert(signal, rate, self._target, temperature=self._temperature, progress=progress)
