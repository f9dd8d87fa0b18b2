"""Ways of converting a whole file that are no model package: offered to `retimbre convert --method` by other rooms.

    entry point `retimbre.methods`:  random-cnn = "trainer.methods:RANDOM_CNN"  ─▶ Method ─ open ─▶ Effect
    signal ─▶ Effect, each channel apart ─▶ match loudness ─▶ × mix + input × (1 − mix) ─▶ gain ─▶ signal

This room need not know who contributes (it may import neither torch nor the trainer). A method hears the whole file, so
it can never play live; its file handling, loudness and alignment are those of every conversion (`convert_files`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.audio_file import AudioFile, read_audio
from realtime.controls import Controls, db_to_gain
from realtime.convert import Conversion, Progress, check_sound, match_gain_db
from realtime.errors import AudioFileError, ConfigError

GROUP = "retimbre.methods"
FloatArray = NDArray[np.float32]
Effect = Callable[[FloatArray, int, Progress], FloatArray]
"""(samples,) at a rate in Hz → (samples,), aligned; the third argument is told seconds done since it was last told."""


@dataclass(frozen=True, slots=True)
class Option:
    """A number that `--set NAME=VALUE` gives a method."""

    name: str
    default: float
    minimum: float
    maximum: float
    meaning: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What a method is opened with: what it needs of style, run and target, a value for every option, its threads."""

    values: Mapping[str, float]
    threads: int = 1
    style: AudioFile | None = None
    run: Path | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """What an entry point of GROUP names; making one must import nothing heavy, `open` may.

    needs_style: the sound of a style must be given; needs_run: the folder of a training run, and a target may be.
    """

    title: str
    options: tuple[Option, ...]
    open: Callable[[Opening], Effect]
    needs_style: bool = False
    needs_run: bool = False


@dataclass(frozen=True, slots=True)
class MethodCall:
    """A method as asked for on a command line; crosses to other processes."""

    name: str
    style: Path | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    threads: int = 1
    run: Path | None = None
    target: str | None = None


def installed() -> dict[str, Method]:
    """Every method that a room of this installation offers, by name."""
    return {entry.name: entry.load() for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def find(name: str) -> Method:
    """The method called `name`; ConfigError lists those that there are."""
    methods = installed()
    if name not in methods:
        there = f"choose from {', '.join(methods)}" if methods else "this installation has none (training adds them)"
        raise ConfigError(f"There is no method {name!r}: {there}.")
    return methods[name]


def open_call(call: MethodCall) -> Effect:
    """The effect that a call asks for, its style read. Raises ConfigError or AudioFileError.

    A ModuleNotFoundError of the method's own packages goes through: the command line says which extra to install.
    """
    method = find(call.name)
    if method.needs_style and call.style is None:
        raise ConfigError(f"The method {call.name} needs the sound of the style: give it with --style FILE.")
    if not method.needs_style and call.style is not None:
        raise ConfigError(f"The method {call.name} takes no style: leave --style out.")
    if method.needs_run and call.run is None:
        raise ConfigError(f"The method {call.name} needs a trained run: give its folder with --run FOLDER.")
    if not method.needs_run and call.run is not None:
        raise ConfigError(f"The method {call.name} takes no run: leave --run out.")
    if not method.needs_run and call.target is not None:
        raise ConfigError(f"The method {call.name} has no targets: leave --target out.")
    values = {option.name: option.default for option in method.options}
    values |= checked(call.name, method.options, call.values)
    style = None if call.style is None else read_audio(call.style)
    return method.open(Opening(values, call.threads, style, call.run, call.target))


def asked(
    name: str | None,
    style: Path | None,
    values: Sequence[str],
    jobs: int,
    *,
    run: Path | None = None,
    target: str | None = None,
) -> MethodCall | None:
    """The method that a command line asks for, or None; it shares the processors with its other `jobs`."""
    if name is None:
        if style is not None:
            raise ConfigError(f"The style {style} belongs to a method: add --method random-cnn, or leave it out.")
        if run is not None:
            raise ConfigError(f"The run {run} belongs to a method: add --method run, or leave it out.")
        return None
    threads = max(1, (os.cpu_count() or 1) // max(1, jobs))
    return MethodCall(name, style, parse_values(name, values), threads, run, target)


def refuse_with_method(name: str, said: Mapping[str, object]) -> None:
    """ConfigError when one of the options `said`, which speak to models, has a value."""
    wrong = [option for option, value in said.items() if value is not None]
    if wrong:
        raise ConfigError(f"The method {name} is no model, and {', '.join(wrong)} speaks to one: leave it out.")


def parse_values(name: str, texts: Sequence[str]) -> dict[str, float]:
    """NAME=VALUE texts as values of the method `name`. Raises ConfigError."""
    options = find(name).options
    values: dict[str, float] = {}
    for text in texts:
        key, _, value = (part.strip() for part in text.partition("="))
        try:
            values[key] = float(value)
        except ValueError:
            known = ", ".join(option.name for option in options)
            raise ConfigError(f"--set {text} is not understood: write NAME=NUMBER with one of {known}.") from None
    return checked(name, options, values)


def checked(name: str, options: Sequence[Option], values: Mapping[str, float]) -> dict[str, float]:
    """`values` as they are, each known and in its range. Raises ConfigError."""
    known = {option.name: option for option in options}
    for key, value in values.items():
        option = known.get(key)
        if option is None:
            raise ConfigError(f"The method {name} has no setting {key!r}: it has {', '.join(known) or 'none'}.")
        if not option.minimum <= value <= option.maximum:  # also refuses a NaN
            raise ConfigError(
                f"{key} is {value:g}, but it goes from {option.minimum:g} to {option.maximum:g}: change it."
            )
    return dict(values)


def convert_by(
    effect: Effect, sound: AudioFile, controls: Controls, *, match_loudness: bool, progress: Progress
) -> Conversion:
    """A file (channels, samples) through an effect; of `controls` mix and output gain count. Raises AudioFileError."""
    signal = np.asarray(sound.signal, np.float32)
    check_sound(signal, signal.ndim)
    told = 0.0

    def hear(seconds: float) -> None:
        nonlocal told
        part = min(seconds / len(rows), sound.seconds - told)
        told += part
        progress(part)

    # Both channels of a mono recording are one sound: half the work.
    rows = signal[:1] if len(signal) == 2 and np.array_equal(signal[0], signal[1]) else signal
    made = np.stack([effect(row, sound.sample_rate, hear) for row in rows])
    progress(max(0.0, sound.seconds - told))
    if made.shape != rows.shape or not np.isfinite(made).all():
        raise AudioFileError("The method gave no sound of the input's length: choose milder settings.")
    made = np.broadcast_to(made, signal.shape)
    match_db = limited_db = 0.0
    if match_loudness:
        match_db, limited_db = match_gain_db(made, signal)
        made = made * np.float32(db_to_gain(match_db))
    mixed = made if controls.mix == 1.0 else controls.mix * made + (1.0 - controls.mix) * signal
    result = np.ascontiguousarray(mixed * db_to_gain(controls.output_gain_db), np.float32)
    return Conversion(result, match_db, limited_db, controls.player_level_db, 0, None)
