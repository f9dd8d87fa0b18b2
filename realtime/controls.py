"""What a player can turn while sound runs: one immutable value, checked when made, and the ramps that keep it smooth.

A `Controls` is replaced, never changed: the GUI, MIDI or a command line makes a new one and hands it to the chain,
which moves there along straight lines of `SMOOTHING_MS`, sample by sample, so that no turn of a knob clicks. Making and
checking run on any thread; a `Smoother` belongs to the thread that owns its chain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from realtime.errors import ConfigError

SMOOTHING_MS = 20.0
Octave = Literal["auto", "off"]

# name: (lowest, highest, unit): the GUI draws its sliders from it, MIDI scales its values to it.
RANGES: Mapping[str, tuple[float, float, str]] = {
    "mix": (0.0, 1.0, ""),
    "input_gain_db": (-60.0, 40.0, "dB"),
    "output_gain_db": (-60.0, 40.0, "dB"),
    "transpose_semitones": (-48.0, 48.0, "semitones"),
    "player_level_db": (-80.0, 0.0, "dB"),
    "highpass_hz": (0.0, 1000.0, "Hz"),
    "gate_db": (-100.0, 0.0, "dB"),
    "gate_hysteresis_db": (0.0, 24.0, "dB"),
    "compressor_db": (-60.0, 0.0, "dB"),
    "compressor_ratio": (1.0, 20.0, ""),
    "compressor_attack_ms": (1.0, 100.0, "ms"),
    "compressor_release_ms": (10.0, 2000.0, "ms"),
    "compressor_makeup_db": (0.0, 24.0, "dB"),
    "leveller_db": (-60.0, 0.0, "dB"),
    "ceiling_db": (-24.0, 0.0, "dB"),
}
GATE_OFF_DB = -100.0


@dataclass(frozen=True, slots=True)
class Controls:
    """Everything adjustable of one chain, and of the strip in front of it and behind it (`realtime.desk.strip`).

    mix: 0 is the delayed input alone, 1 the model alone; linear in amplitude, so that equal signals sum to themselves.
    input_gain_db, output_gain_db: before everything, after everything.
    bypass: the input, delayed by the chain's latency, at its own level.
    target: weight per target of the package; kept scaled to sum 1. None: the package's first target.
    transpose_semitones: moves the pitch (packages that take pitch and loudness).
    octave: "auto" adds whole octaves so that the playing lies in the target's range; "off" leaves the pitch. It changes
        nothing where the package declares no range.
    player_level_db: the loudness, in dBFS, that counts as the player's forte, hence as 0 dB to the model.

    The strip; its levels are RMS in dBFS (a full sine is −3 dB), those before the model after the input gain:
    highpass_hz: everything below is taken away, 12 dB per octave. 0: off.
    gate_db: what is quieter becomes silence. −100: off.
    gate_hysteresis_db: an open gate stays open until the level is this far below `gate_db`.
    compressor_db: above it a rise of `compressor_ratio` dB becomes a rise of 1 dB. 0: off.
    compressor_attack_ms, compressor_release_ms: time constants of less and of more gain.
    compressor_makeup_db: gain after the compressor, while it is on.
    leveller_db: the loudness that the output is slowly brought to, before the output gain. 0: off.
    limiter, ceiling_db: with it no sample leaves louder than the ceiling, and from 1 dB below it they bend.
    """

    mix: float = 1.0
    input_gain_db: float = 0.0
    output_gain_db: float = 0.0
    bypass: bool = False
    target: tuple[float, ...] | None = None
    transpose_semitones: float = 0.0
    octave: Octave = "auto"
    player_level_db: float = -20.0
    highpass_hz: float = 0.0
    gate_db: float = GATE_OFF_DB
    gate_hysteresis_db: float = 6.0
    compressor_db: float = 0.0
    compressor_ratio: float = 4.0
    compressor_attack_ms: float = 5.0
    compressor_release_ms: float = 120.0
    compressor_makeup_db: float = 0.0
    leveller_db: float = 0.0
    limiter: bool = True
    ceiling_db: float = 0.0

    def __post_init__(self) -> None:
        for name, (low, high, unit) in RANGES.items():
            _checked_number(name, getattr(self, name), low, high, unit)
        for name in ("bypass", "limiter"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"The control {name} is {getattr(self, name)!r}, but it must be true or false.")
        if self.octave not in get_args(Octave):
            raise ConfigError(f"The control octave is {self.octave!r}, but it must be 'auto' or 'off'.")
        if self.target is not None:
            object.__setattr__(self, "target", _normalised(self.target))

    def with_changes(self, **changes: Any) -> Controls:
        """A copy with the named controls replaced; an unknown name raises `ConfigError`."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise ConfigError(f"There is no control named {name!r}; the controls are {', '.join(known)}.")
        return replace(self, **changes)

    @staticmethod
    def from_mapping(values: Mapping[str, Any]) -> Controls:
        """Controls from plain values (JSON, a preset); what is not named keeps its default."""
        changes = dict(values)
        if isinstance(changes.get("target"), list):
            changes["target"] = tuple(changes["target"])
        return Controls().with_changes(**changes)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values that `from_mapping` reads back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["target"] = None if self.target is None else list(self.target)
        return values


def _checked_number(name: str, value: object, low: float, high: float, unit: str) -> None:
    number = isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool)
    if not number or not low <= float(value) <= high:  # type: ignore[arg-type]  # number says that it is one
        spelt = f" {unit}" if unit else ""
        raise ConfigError(f"The control {name} is {value!r}, but it must be a number from {low:g} to {high:g}{spelt}.")


def _normalised(weights: Sequence[float]) -> tuple[float, ...]:
    values = [float(weight) for weight in weights]
    total = sum(values)
    if not values or not all(math.isfinite(value) and value >= 0 for value in values) or not math.isfinite(total):
        raise ConfigError(f"The target weights are {tuple(weights)!r}, but each must be a number of 0 or more.")
    if total <= 0:
        raise ConfigError("The target weights are all zero, but at least one target must have a weight above 0.")
    return tuple(value / total for value in values)


def target_weights(text: str, names: Sequence[str]) -> tuple[float, ...]:
    """Weights in the order of `names` from `NAME` or `NAME=w,NAME=w`, scaled to sum 1.

    Raises `ConfigError` when a name is not one of `names`, comes twice, or has a weight that is no number.
    """
    if not names:
        raise ConfigError(f"The target {text!r} was asked for, but this model has no targets; leave it out.")
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equals, amount = (piece.strip() for piece in part.partition("="))
        if name not in names:
            raise ConfigError(f"There is no target {name!r} in this model; choose from {', '.join(names)}.")
        if name in weights:
            raise ConfigError(f"The target {name!r} is named twice in {text!r}; name each target once.")
        try:
            weights[name] = float(amount) if equals else 1.0
        except ValueError:
            raise ConfigError(f"The weight {amount!r} of target {name!r} is not a number; write {name}=0.5.") from None
    return _normalised([weights.get(name, 0.0) for name in names])


def db_to_gain(level_db: float) -> float:
    """Amplitude factor of a level in dB."""
    return float(10.0 ** (level_db / 20.0))


class Smoother:
    """A value that walks to its goal in a straight line, one sample at a time: v[n] = v[n-1] + (goal - v0) / ramp.

    `fill` writes the next samples of the walk into its own memory and returns a view, valid until the next call. The
    walk does not depend on how it is cut into blocks.
    """

    def __init__(self, value: float, ramp_samples: int, longest: int) -> None:
        """value: where it stands; ramp_samples: length of every walk; longest: most samples one `fill` may ask for."""
        self.ramp_samples = max(1, ramp_samples)
        self._count = np.arange(1, longest + 1, dtype=np.float32)
        self._values = np.full(longest, value, dtype=np.float32)
        self._from = self._goal = float(value)
        self._walked = self.ramp_samples
        self._flat = longest

    @property
    def goal(self) -> float:
        """Where the walk ends."""
        return self._goal

    @property
    def value(self) -> float:
        """Where the last `fill` ended."""
        part = self._walked / self.ramp_samples
        return self._from + (self._goal - self._from) * part if part < 1 else self._goal

    @property
    def settled(self) -> bool:
        """Whether the goal is reached and every coming sample equals it."""
        return self._walked >= self.ramp_samples

    @property
    def is_one(self) -> bool:
        """Whether every coming sample is 1, so that a product with it changes nothing."""
        return self._goal == 1.0 and self._walked >= self.ramp_samples

    def to(self, goal: float) -> None:
        """Begin a walk from here to `goal`; the same goal again does nothing."""
        if goal != self._goal:
            self._from, self._goal, self._walked = self.value, float(goal), 0
            self._flat = 0

    def jump(self, value: float) -> None:
        """Stand at `value` at once (before sound runs)."""
        self._from = self._goal = float(value)
        self._walked, self._flat = self.ramp_samples, 0

    def fill(self, samples: int) -> NDArray[np.float32]:
        """The next `samples` values, shape (samples,)."""
        values = self._values[:samples]
        if self._walked >= self.ramp_samples:
            if self._flat < samples:
                self._values[:samples] = self._goal
                self._flat = samples
            return values
        np.add(self._count[:samples], self._walked, out=values)
        np.minimum(values, self.ramp_samples, out=values)
        np.multiply(values, (self._goal - self._from) / self.ramp_samples, out=values)
        np.add(values, self._from, out=values)
        left = self.ramp_samples - self._walked
        if left <= samples:
            values[left - 1 :] = self._goal
        self._walked += samples
        self._flat = 0
        return values


def ramp_samples(sample_rate: int, milliseconds: float = SMOOTHING_MS) -> int:
    """Length of a walk of `milliseconds` in samples."""
    return max(1, round(sample_rate * milliseconds / 1000.0))
