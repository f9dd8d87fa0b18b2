"""What a model makes of nothing: of silence, and of the hiss that a microphone's preamplifier has.

A network that never heard either in training may answer with a tone or a roar, and a musician meets both before the
first note. Levels are root mean squares of the last half second, so that what a model remembers has passed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.package import Package, play

SILENT_DB = -80.0
"""dBFS that a silent input may come out at."""
HISS_DB = -60.0
HISS_GAIN_DB = 12.0
"""By so much a hiss of `HISS_DB` may become louder."""


@dataclass(frozen=True, slots=True)
class AtRest:
    """How loud one target is at rest, dBFS."""

    target: str
    """Its name; empty for a model that has one sound."""
    silence_db: float
    hiss_db: float

    @property
    def sentence(self) -> str | None:
        """What is too loud and what helps; None where nothing is."""
        who = f"The target {self.target}" if self.target else "The model"
        helps = "switch the noise gate on, or let it hear noise while it is trained ([augment])"
        if self.silence_db > SILENT_DB:
            return f"{who} sounds at {self.silence_db:.0f} dBFS while its input is silent: {helps}."
        if self.hiss_db > HISS_DB + HISS_GAIN_DB:
            return f"{who} makes {self.hiss_db:.0f} dBFS of a hiss of {HISS_DB:.0f} dBFS: {helps}."
        return None


def at_rest(package: Package) -> list[AtRest]:
    """Each target of a package on a second of silence and a second of hiss. PackageError when a step of it fails."""
    manifest = package.manifest
    rate, names = manifest.sample_rate, [target.name for target in manifest.targets] or [""]
    hiss = 10 ** (HISS_DB / 20) * np.random.default_rng(0).standard_normal(rate + manifest.latency_samples)
    sound = np.concatenate([np.zeros(rate), hiss]).astype(np.float32)
    found = []
    for number, name in enumerate(names):
        weights = np.eye(1, len(names), number, dtype=np.float32)[0] if manifest.targets else np.zeros(0, np.float32)
        made, _, _ = play(package, sound, weights, "cpu")
        silence, hissed = (_level_db(part) for part in (made[rate // 2 : rate], made[-(rate // 2) :]))
        found.append(AtRest(name, silence, hissed))
    return found


def _level_db(sound: np.ndarray[tuple[int], np.dtype[np.float32]]) -> float:
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64)) + 1e-20))
