"""The manifest of a model package: what a model is and how the engine must feed it. Any thread; no file is touched.

Specified in `docs/model-package.md`. The dataclasses check themselves when they are made, so that the trainer cannot
write what the engine would refuse; `Manifest.parse` is strict: a key, a type or a format it does not know is refused by
name.

    inputs  x, [target (1, targets)], state_0 … state_n          outputs  y, next_state_0 … next_state_n       float32

                      spectrum                 samples               pitch_loudness
    x            (1, 1, bins, step)         (1, 1, step)              (1, 3, step)
    y            (1, 1, bins, step)         (1, 1, step · hop of x)        —

A module of parsing and refusing: it passes 300 lines because each field has its own sentence.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from realtime import features as feature_kinds
from realtime.controls import RANGES
from realtime.errors import PackageError
from realtime.features import Features, PitchLoudnessFeatures, SamplesFeatures, SpectrumFeatures, hop_of
from realtime.latency import chain_latency_samples
from realtime.phase import PhaseMethod

FORMAT = "1.0"
"""The format that this engine writes, and whose major number it reads."""

MODEL_FILE = "model.onnx"
GOLDEN_FILE = "golden.npz"
CARD_FILE = "CARD.md"
MANIFEST_FILE = "manifest.json"
REQUIRED_FILES = (MODEL_FILE, GOLDEN_FILE, CARD_FILE)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,63}")
_PICTURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\.png")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FORMAT = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
_MAX_STATE_VALUES = 1 << 26


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One float32 tensor of the model's graph."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """One instrument that the model plays; `low_hz` to `high_hz` is where the octave choice puts the playing."""

    name: str
    title: str
    low_hz: float | None = None
    high_hz: float | None = None

    def __post_init__(self) -> None:
        """Refuse an unspeakable name and an empty range."""
        _need_match("a target's name", self.name, _IDENTIFIER, "a word such as 'alto_saxophone'")
        _need_text(f"the title of target '{self.name}'", self.title)
        for name, value in (("low_hz", self.low_hz), ("high_hz", self.high_hz)):
            if value is not None:
                _need_number(f"{name} of target '{self.name}'", value, 1.0, 100_000.0)
        if self.low_hz is not None and self.high_hz is not None and not self.low_hz < self.high_hz:
            raise PackageError(
                f"Target '{self.name}' sounds from {self.low_hz} to {self.high_hz} Hz, but a range must rise: "
                "set low_hz below high_hz."
            )


@dataclass(frozen=True, slots=True)
class Control:
    """A knob of the engine (`realtime.controls.RANGES`) that suits this model, and the MIDI controller it suggests."""

    name: str
    title: str
    unit: str
    minimum: float
    maximum: float
    default: float
    midi_cc: int | None = None

    def __post_init__(self) -> None:
        """Refuse an empty range and a default outside it."""
        _need_match("a control's name", self.name, _IDENTIFIER, "a word such as 'mix'")
        if self.name not in RANGES:
            raise PackageError(
                f"A control is named {self.name!r}, but the engine has {', '.join(RANGES)}: use one of them."
            )
        low, high, _ = RANGES[self.name]
        _need_text(f"the title of control '{self.name}'", self.title)
        _need_text(f"the unit of control '{self.name}'", self.unit, empty=True)
        for name in ("minimum", "maximum", "default"):
            _need_number(f"{name} of control '{self.name}'", getattr(self, name), low, high)
        if not (self.minimum < self.maximum and self.minimum <= self.default <= self.maximum):
            raise PackageError(
                f"Control '{self.name}' goes from {self.minimum} to {self.maximum} with default {self.default}, "
                "but minimum ≤ default ≤ maximum must hold and the range must not be empty: change the three numbers."
            )
        if self.midi_cc is not None:
            _need_int(f"midi_cc of control '{self.name}'", self.midi_cc, 0, 127)


@dataclass(frozen=True, slots=True)
class State:
    """A float32 tensor that one call hands to the next; zeros before the first."""

    name: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse a shape without fixed sizes."""
        _need_text("a state's name", self.name)
        if not _is_tuple_of(self.shape, object) or not 1 <= len(self.shape) <= 8:
            raise PackageError(
                f"The shape of {self.name} is {self.shape!r}, but a state has 1 to 8 fixed sizes: list them."
            )
        for size in self.shape:
            _need_int(f"a size in the shape of {self.name}", size, 1, _MAX_STATE_VALUES)


@dataclass(frozen=True, slots=True)
class Licences:
    """SPDX expressions or sentences: of the code that made the model, of its weights, of the data it learnt from."""

    code: str
    weights: str
    data: str

    def __post_init__(self) -> None:
        """Refuse silence about a licence."""
        for name in ("code", "weights", "data"):
            _need_text(f"the licence of {name}", getattr(self, name))


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything the engine must know of a model, and nothing that can be derived from the rest."""

    format: str
    name: str
    title: str
    architecture: str
    description: str
    sample_rate: int
    input: Features
    output: Features
    phase: PhaseMethod | None
    step: int
    lookahead: int
    model_delay_samples: int
    level_db: float | None
    states: tuple[State, ...]
    targets: tuple[Target, ...]
    controls: tuple[Control, ...]
    licences: Licences
    files: Mapping[str, str] = field(default_factory=dict, hash=False)
    """sha256 of each file; empty until `write_package` has written them."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself, with a sentence that names the field. Raises PackageError."""
        _need_format(self.format)
        _need_match("name", self.name, _NAME, "lower-case letters, digits, '_' and '-', such as 'voice'")
        for name in ("title", "architecture", "description"):
            _need_text(name, getattr(self, name))
        _need_int("sample_rate", self.sample_rate, 1000, 768_000)
        _need_int("step", self.step, 1, 65536)
        _need_int("lookahead", self.lookahead, 0, 1 << 20)
        _need_int("model_delay_samples", self.model_delay_samples, 0, 1 << 24)
        self._check_signal_path()
        self._check_lists()
        self._check_files()

    def _check_signal_path(self) -> None:
        """Input, output, phase and level must fit together."""
        if not isinstance(self.input, Features):
            raise PackageError(f"input is {self.input!r}, but it must be features: use one of the three kinds.")
        if not isinstance(self.output, SpectrumFeatures | SamplesFeatures):
            raise PackageError(
                f"output is {self.output!r}, but a model gives a spectrum or samples: use one of these two kinds."
            )
        if isinstance(self.output, SpectrumFeatures) and (
            isinstance(self.input, SamplesFeatures) or hop_of(self.input) != self.output.hop
        ):
            raise PackageError(
                f"A frame of the output is {self.output.hop} samples and one of the input {hop_of(self.input)}, "
                "but a model that gives a spectrum takes frames of the same hop: make them equal."
            )
        self._check_phase()
        if isinstance(self.input, PitchLoudnessFeatures):
            _need_number("level_db", self.level_db, -100.0, 20.0)
        elif self.level_db is not None:
            raise PackageError(
                f"level_db is {self.level_db}, but only a model of pitch and loudness has one: set it to null."
            )

    def _check_phase(self) -> None:
        """A spectrum needs a phase; the input's own phase needs the same frames."""
        if not isinstance(self.output, SpectrumFeatures):
            if self.phase is not None:
                raise PackageError(f"phase is {self.phase!r}, but this model gives samples: set it to null.")
            return
        if self.phase not in get_args(PhaseMethod):
            raise PackageError(
                f"phase is {self.phase!r}, but a spectrum needs one of {', '.join(get_args(PhaseMethod))}: choose one."
            )
        if self.phase == "input" and not (
            isinstance(self.input, SpectrumFeatures) and self.input.n_fft == self.output.n_fft
        ):
            raise PackageError(
                f"phase is 'input', but the input's frames are not spectra of n_fft {self.output.n_fft}: "
                "use the phase 'gradient' or the same frames on both sides."
            )

    def _check_lists(self) -> None:
        """States are numbered in order; names of targets and controls are different."""
        for name, kind, items in (
            ("states", State, self.states),
            ("targets", Target, self.targets),
            ("controls", Control, self.controls),
        ):
            if not _is_tuple_of(items, kind):
                raise PackageError(f"{name} is {items!r}, but it must be a tuple of {kind.__name__}: make it one.")
        expected = [f"state_{k}" for k in range(len(self.states))]
        if [state.name for state in self.states] != expected:
            raise PackageError(
                f"The states are named {', '.join(state.name for state in self.states)}, but they must be "
                f"{', '.join(expected)} in this order: rename them."
            )
        if sum(math.prod(state.shape) for state in self.states) > _MAX_STATE_VALUES:
            raise PackageError(
                f"The states hold more than {_MAX_STATE_VALUES} values, the most a package may: make them smaller."
            )
        for what, names in (
            ("target", [target.name for target in self.targets]),
            ("control", [control.name for control in self.controls]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise PackageError(f"The {what} '{twice[0]}' stands twice, but names must differ: rename one.")
        if not isinstance(self.licences, Licences):
            raise PackageError(f"licences is {self.licences!r}, but code, weights and data are needed: give all three.")

    def _check_files(self) -> None:
        """Plain names beside the manifest only, so that a package can never reach outside its folder."""
        if not isinstance(self.files, Mapping):
            raise PackageError(f"files is {self.files!r}, but it must map file names to sha256 sums: make it so.")
        if not self.files:
            return
        missing = [name for name in REQUIRED_FILES if name not in self.files]
        if missing:
            raise PackageError(f"files lacks {', '.join(missing)}, which every package has: write the package again.")
        for name, digest in self.files.items():
            if name not in REQUIRED_FILES:
                _need_match("a file's name", name, _PICTURE, f"{', '.join(REQUIRED_FILES)} or a picture ending in .png")
            _need_match(f"the sha256 of {name}", digest, _SHA256, "64 hexadecimal digits in lower case")

    @property
    def step_samples(self) -> int:
        """Samples that one call of the model consumes and gives, at the model's rate."""
        return self.step * hop_of(self.input)

    @property
    def latency_samples(self) -> int:
        """Samples by which a chain fed whole steps lags its input, at the model's rate (`realtime.latency`)."""
        return chain_latency_samples(self)

    @property
    def x_shape(self) -> tuple[int, ...]:
        """Shape of the input `x`."""
        if isinstance(self.input, SpectrumFeatures):
            return (1, 1, self.input.bins, self.step)
        return (1, 3 if isinstance(self.input, PitchLoudnessFeatures) else 1, self.step)

    @property
    def y_shape(self) -> tuple[int, ...]:
        """Shape of the output `y`."""
        if isinstance(self.output, SpectrumFeatures):
            return (1, 1, self.output.bins, self.step)
        return (1, 1, self.step_samples)

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's inputs in order, by the tensor law."""
        target = (TensorSpec("target", (1, len(self.targets))),) if self.targets else ()
        return (
            TensorSpec("x", self.x_shape),
            *target,
            *(TensorSpec(state.name, state.shape) for state in self.states),
        )

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs in order, by the tensor law."""
        states = (TensorSpec(f"next_{state.name}", state.shape) for state in self.states)
        return (TensorSpec("y", self.y_shape), *states)

    def with_files(self, files: Mapping[str, str]) -> Manifest:
        """The same manifest with the sha256 sums of its files."""
        return dataclasses.replace(self, files=dict(files))

    def to_text(self) -> str:
        """manifest.json's text, fields in the order of this class. `Manifest.parse` gives back an equal manifest."""
        data: dict[str, Any] = {}
        for name in (item.name for item in dataclasses.fields(self)):
            value = getattr(self, name)
            if name in ("input", "output"):
                data[name] = feature_kinds.to_json(value)
            elif name in ("states", "targets", "controls"):
                data[name] = [dataclasses.asdict(item) for item in value]
            elif name == "licences":
                data[name] = dataclasses.asdict(value)
            else:
                data[name] = dict(sorted(value.items())) if name == "files" else value
        return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def parse(cls, text: str | bytes, where: str = MANIFEST_FILE) -> Manifest:
        """The manifest that `text` holds; `where` names it in messages. Raises PackageError and nothing else."""
        data = _object(_parse_json(text, where), where)
        # The format comes first: a newer file may hold anything, and its version is what the reader must learn.
        if "format" in data:
            try:
                _need_format(data["format"])
            except PackageError as error:
                raise PackageError(f"In {where}, {error}") from error
        _only(data, [item.name for item in dataclasses.fields(cls)], where, cls)
        values: dict[str, Any] = dict(data)
        for name in ("input", "output"):
            values[name] = feature_kinds.from_json(data[name], f"{name} in {where}")
        readers: dict[str, Callable[[object, str], object]] = {
            "states": _read_state,
            "targets": lambda item, place: _read(Target, item, place),
            "controls": lambda item, place: _read(Control, item, place),
        }
        for name, reader in readers.items():
            items = _list(data[name], f"{name} in {where}")
            values[name] = tuple(reader(item, f"{name}[{k}] in {where}") for k, item in enumerate(items))
        values["licences"] = _read(Licences, data["licences"], f"licences in {where}")
        values["files"] = _object(data["files"], f"files in {where}")
        if not values["files"]:
            raise PackageError(f"files in {where} is empty, but every file needs its sha256: write the package again.")
        try:
            return cls(**values)
        except PackageError as error:
            raise PackageError(f"In {where}, {error}") from error


def _parse_json(text: str | bytes, where: str) -> object:
    """JSON without NaN, infinities or keys that stand twice."""

    def unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise PackageError(f"{where} has the key {twice!r} twice, but once is right: remove one.")
        return dict(pairs)

    def refuse(constant: str) -> object:
        raise PackageError(f"{where} holds {constant}, but numbers must be finite: put a number there.")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and (
            error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")
        ):
            raise PackageError(
                f"{where} ends too early: it was copied only in part, copy the package again."
            ) from error
        reason = str(error) or type(error).__name__
        raise PackageError(f"{where} is not JSON ({reason}): write or copy the package again.") from error


def _read(cls: type[Any], item: object, where: str) -> object:
    """An instance of the flat dataclass `cls` from a JSON object with exactly its keys."""
    data = _object(item, where)
    _only(data, [entry.name for entry in dataclasses.fields(cls)], where, cls)
    try:
        return cls(**data)
    except PackageError as error:
        raise PackageError(f"In {where}, {error}") from error


def _read_state(item: object, where: str) -> object:
    data = dict(_object(item, where))
    if "shape" in data:
        data["shape"] = tuple(_list(data["shape"], f"shape of {where}"))
    return _read(State, data, where)


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PackageError(f"{where} is {type(value).__name__}, but it must be an object: write the package again.")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise PackageError(f"{where} is {type(value).__name__}, but it must be a list: write the package again.")
    return value


def _only(data: Mapping[str, object], known: Iterable[str], where: str, cls: type[Any]) -> None:
    """Exactly the known keys: a missing one has no silent default, an unknown one may mean what we would ignore."""
    known = list(known)
    unknown = [repr(name) for name in data if name not in known]
    if unknown:
        raise PackageError(
            f"{where} has the unknown key {', '.join(unknown)}, which {cls.__name__} of format {FORMAT} does not have: "
            "remove it or update retimbre."
        )
    missing = [repr(name) for name in known if name not in data]
    if missing:
        raise PackageError(f"{where} lacks {', '.join(missing)}, which {cls.__name__} needs: write the package again.")


def _is_tuple_of(value: object, kind: type[Any]) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, kind) for item in value)


def _need_format(value: object) -> None:
    match = _FORMAT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise PackageError(f"format is {value!r}, but it must be like '{FORMAT}': write the package again.")
    ours = int(FORMAT.partition(".")[0])
    if int(match[1]) > ours:
        raise PackageError(
            f"the format is {value}, but this retimbre reads up to {ours}.x ({FORMAT}): update retimbre to load it."
        )
    if int(match[1]) < ours:
        raise PackageError(
            f"the format is {value}, but this retimbre reads {ours}.x ({FORMAT}): export the model again."
        )


def _need_match(what: str, value: object, pattern: re.Pattern[str], expected: str) -> None:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise PackageError(f"{what} is {value!r}, but it must be {expected}: change it.")


def _need_text(what: str, value: object, *, empty: bool = False) -> None:
    """One printable line; lone surrogates and control characters would break a terminal or a window title."""
    if not isinstance(value, str) or not value.isprintable() or not (empty or value.strip()):
        raise PackageError(f"{what} is {value!r}, but it must be one line of printable text: change it.")


def _need_int(what: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise PackageError(f"{what} is {_short(value)}, but it must be a whole number from {low} to {high}: change it.")


def _need_number(what: str, value: object, low: float, high: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise PackageError(f"{what} is {_short(value)}, but it must be a number from {low:g} to {high:g}: change it.")


def _short(value: object) -> str:
    """`repr` without the flood (or the ValueError) of a number of thousands of digits."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    return repr(value)[:80]
