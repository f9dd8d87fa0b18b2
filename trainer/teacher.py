"""What teaches a student: a model package or a training run, called the same way whatever its speed.

    Teacher(source, target) ─ opened(teacher) ─▶ (signal, rate) ─▶ Lesson(signal, faults), aligned, as loud as the input

A package plays through `realtime.convert` (the chain's latency taken out), a run by its own networks (`Recipe.convert`,
whole files, look-ahead and all). A Teacher is plain data that crosses to other processes; each opens it once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from realtime.controls import Controls, target_weights
from realtime.convert import convert, match_gain_db
from realtime.errors import ConfigError
from realtime.package import Package, resolve
from trainer.recording_checks import FloatArray
from trainer.recording_files import content_hash

PEAK = 10 ** (-1 / 20)
SILENT = 1e-3  # peak below which a conversion has nothing to teach
MOST_FAULTS = 0.05  # share of steps in which the model failed and the input was heard instead
_RUN_FILES = ("config.json", "best.pt")


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the teacher made of a signal: (samples,), and the share of steps in which it failed."""

    signal: FloatArray
    faults: float = 0.0


Teaching = Callable[[FloatArray, int], Lesson]


@dataclass(frozen=True, slots=True)
class Teacher:
    """A package's folder or a run's, the target where there are several, and the temperature of a run that draws."""

    source: Path
    target: str | None = None
    temperature: float = 1.0

    @property
    def is_run(self) -> bool:
        """Whether it is a training run; else it is a package."""
        return (self.source / _RUN_FILES[0]).is_file()

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.source.name

    def fingerprint(self) -> str:
        """Hash of what it is: another training, another target or temperature is another teacher."""
        digest = hashlib.sha256(f"{self.target}:{self.temperature:g}".encode())
        for name in _RUN_FILES if self.is_run else ("manifest.json",):  # which holds the hashes of its files
            digest.update(content_hash(self.source / name).encode())
        return digest.hexdigest()


def find_teacher(name: str, target: str | None, temperature: float = 1.0) -> Teacher:
    """The teacher called `name`: a run's folder, or a package's name or folder, opened once to see that it plays.

    Raises ConfigError, PackageError or DataError when it cannot, or when it has several targets and none is named.
    """
    folder = Path(name)
    if not (folder / _RUN_FILES[0]).is_file():
        package = resolve(name)
        known = [one.name for one in package.manifest.targets]
        if target is not None and target not in known:
            raise ConfigError(f"{package.name} has no target {target!r}: choose from {', '.join(known) or 'none'}.")
        if target is None and len(known) > 1:
            raise ConfigError(f"{package.name} has the targets {', '.join(known)}: say which one with --target.")
        if temperature != 1.0:
            raise ConfigError(f"{package.name} is a package, which has no temperature: leave --temperature out.")
        folder = package.folder
    teacher = Teacher(folder.absolute(), target, temperature)
    opened(teacher)
    return teacher


@lru_cache(maxsize=2)
def opened(teacher: Teacher) -> Teaching:
    """The teacher ready to play in this process."""
    return _run(teacher) if teacher.is_run else _package(Package.read(teacher.source), teacher.target)


def played_by(package: Package, target: str | None, signal: FloatArray, sample_rate: int) -> tuple[FloatArray, int]:
    """signal (samples,) through a package, aligned, as loud, in its own octave; and the steps in which it failed."""
    names = [one.name for one in package.manifest.targets]
    weights = target_weights(target, names) if target is not None else None
    made = convert(signal, sample_rate, package, Controls().with_changes(target=weights, octave="off"))
    return made.signal, made.faults


def steps_in(package: Package, samples: int, sample_rate: int) -> int:
    """Steps of a package in so many samples, at least one."""
    manifest = package.manifest
    return max(1, round(samples / manifest.step_samples * manifest.sample_rate / sample_rate))


def _package(package: Package, target: str | None) -> Teaching:
    def teach(signal: FloatArray, sample_rate: int) -> Lesson:
        made, faults = played_by(package, target, signal, sample_rate)
        return Lesson(made, faults / steps_in(package, signal.size, sample_rate))

    return teach


def _run(teacher: Teacher) -> Teaching:
    from trainer.run_effect import RunEffect

    effect = RunEffect(teacher.source, teacher.target, teacher.temperature)

    def teach(signal: FloatArray, sample_rate: int) -> Lesson:
        made = effect(signal, sample_rate, lambda _: None)
        gain_db, _ = match_gain_db(made, signal)
        return Lesson(np.asarray(made * np.float32(10 ** (gain_db / 20)), np.float32))

    return teach
