"""Run files: strict dataclasses read from TOML, with `--set section.key=value` on top.

A run file is a set of sections. `[run]` is `RunConfig` below, the same for every system; the other sections are the
fields of the recipe's own `Config` dataclass, each field itself a dataclass:

    [run]      recipe = "pix2pix", steps = 20000 …      → RunConfig
    [data]     index = "data/paired/index.json" …       → Config.data
    [model]    width = 16 …                             → Config.model
    [about]    title = "Voice" …                        → trainer.catalogue.About: words for people, trains nothing

So every hyper-parameter has a name, a type, a default, a range and a sentence (`setting`), can be set in the file or on
the command line, and a misspelt one is refused with the names that are near. This module imports no torch.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from realtime.errors import ConfigError

T = TypeVar("T")
_MISSING: Any = dataclasses.MISSING


def setting(
    default: Any = _MISSING, meaning: str = "", *, minimum: float | None = None, maximum: float | None = None
) -> Any:
    """A dataclass field with the sentence that `--settings` prints and the inclusive range that loading enforces."""
    metadata = {"help": meaning, "minimum": minimum, "maximum": maximum}
    return field(metadata=metadata) if default is _MISSING else field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """`[run]`: how to train, whatever is trained."""

    recipe: str = setting(meaning="which system to train: a name that `retimbre zoo` lists")
    out: Path = setting(meaning="the folder of checkpoints, curves and clips; made when absent")
    steps: int = setting(10_000, "training steps in all", minimum=1)
    batch: int = setting(8, "items a step, over all processes together", minimum=1)
    seed: int = setting(0, "everything random is a function of this, the step and the item", minimum=0)
    validate_every: int = setting(1_000, "steps between validations, test clips and best-so-far decisions", minimum=1)
    checkpoint_every: int = setting(500, "steps between writes of last.pt", minimum=1)
    log_every: int = setting(20, "steps whose losses are averaged into one point of the training curve", minimum=1)
    device: Literal["auto", "cpu", "cuda"] = setting("auto", "auto: the GPU when torch can use one, else the CPU")
    threads: int = setting(0, "CPU threads of torch; 0 leaves torch's choice", minimum=0)
    precision: Literal["float32", "bfloat16"] = setting("float32", "bfloat16: mixed precision, weights stay float32")
    accumulate: int = setting(1, "parts in which a batch is computed, for less memory; equal to the whole", minimum=1)
    gradient_checkpointing: bool = setting(False, "compute inner values again backwards: less memory, more time")
    model_parallel: bool = setting(
        False, "two processes hold a side each of a model that has two (cyclegan, timbretron)"
    )
    prefetch: int = setting(1, "batches prepared ahead in a background thread; 0: none", minimum=0, maximum=64)
    ema: float = setting(
        0.0, "decay of the averaged weights used to validate and export; 0: none", minimum=0, maximum=1
    )
    clip_gradient: float = setting(0.0, "largest gradient norm of an optimizer's parameters; 0: no limit", minimum=0)
    schedule: Literal["constant", "linear", "cosine"] = setting("constant", "how learning rates fall to zero")
    hold: float = setting(0.0, "part of the run before `schedule` begins to fall", minimum=0, maximum=1)
    start_from: Path | None = setting(None, "another run's folder whose best weights this run starts from")
    warmup_steps: int = setting(0, "steps over which learning rates rise from zero", minimum=0)


# A resumed run may differ in these and still be the same run: they say where and how long, not what is learnt.
FREE_ON_RESUME = frozenset(
    "run." + name
    for name in (
        "out", "steps", "validate_every", "checkpoint_every", "log_every", "device", "threads", "prefetch",
        "accumulate", "gradient_checkpointing", "model_parallel",
    )
)  # fmt: skip


class _Text(str):
    """A value typed on the command line: read according to the type that its setting declares."""

    __slots__ = ()


def read_run_file(path: Path) -> dict[str, Any]:
    """The tables of a run file, unchecked; raises ConfigError when it cannot be read as TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"the run file {path} cannot be read ({error.strerror}): give the path of a TOML file"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the run file {path} is not valid TOML ({error}): repair that line") from error


def apply_overrides(tables: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy of `tables` with each `section.key=value` put in; the values stay text until their type is known."""
    result: dict[str, Any] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in tables.items()}
    for override in overrides:
        path, equals, value = override.partition("=")
        keys = [part.strip() for part in path.split(".")]
        if not equals or len(keys) < 2 or not all(keys):
            raise ConfigError(f"--set got {override!r}, expected section.key=value, as in run.steps=2000")
        table = result
        for key in keys[:-1]:
            inner = table.get(key, {})
            table[key] = dict(inner) if isinstance(inner, Mapping) else {}
            table = table[key]
        table[keys[-1]] = _Text(value.strip())
    return result


def from_table(cls: type[T], table: object, where: str) -> T:
    """Build the dataclass `cls` from a TOML table, strictly: unknown keys, wrong types and ranges raise ConfigError."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"[{where}] is {_shown(table)}, expected a table of settings: write it as [{where}]")
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    for key in table:
        if key not in fields:
            raise ConfigError(f"[{where}] has no setting {key!r}: {_near(str(key), fields)}")
    values: dict[str, Any] = {}
    for name, described in fields.items():
        path = f"{where}.{name}"
        if name in table:
            values[name] = _converted(table[name], hints[name], path)
            _check_range(values[name], described.metadata, path)
        elif described.default is dataclasses.MISSING and described.default_factory is dataclasses.MISSING:
            if dataclasses.is_dataclass(hints[name]):  # an absent section whose settings may all have defaults
                values[name] = from_table(typing.cast("type", hints[name]), {}, path)
            else:
                raise ConfigError(f"{path} is missing: set it in the run file or with --set {path}=VALUE")
    return cls(**values)


def recipe_config(cls: type[T], tables: Mapping[str, Any]) -> T:
    """Build a recipe's Config, whose fields are the sections of the run file beside `[run]`."""
    sections = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in tables:
        if name not in {"run", "about"} and name not in sections:
            raise ConfigError(f"the run file has an unknown section [{name}]: {_near(name, ['run', *sections])}")
    hints = typing.get_type_hints(cls)
    return cls(**{name: from_table(hints[name], tables.get(name, {}), name) for name in sorted(sections)})


def to_table(config: Any) -> dict[str, Any]:
    """The dataclass as plain JSON values (paths as text, tuples as lists), sections nested."""

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        if isinstance(value, Mapping):
            return {str(k): plain(v) for k, v in value.items()}
        if isinstance(value, tuple | list):
            return [plain(v) for v in value]
        return str(value) if isinstance(value, Path) else value

    return typing.cast("dict[str, Any]", plain(config))


def without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    """`to_table`'s result as `from_table` takes it: TOML has no null, an absent key means the default."""
    return {k: without_none(v) if isinstance(v, Mapping) else v for k, v in table.items() if v is not None}


def flattened(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"run.steps": 10, "model.width": 16}` from nested tables."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """The first setting in which two runs differ and that a resume may not change, as (key, old, new)."""
    a, b = flattened(old), flattened(new)
    for key in [*a, *(k for k in b if k not in a)]:
        if key not in FREE_ON_RESUME and a.get(key) != b.get(key):
            return key, a.get(key), b.get(key)
    return None


def described_settings(config: Any, where: str) -> list[tuple[str, str, str, str]]:
    """(key, type, value, help) of every setting below `where`, for `retimbre train RUN --settings`."""
    rows: list[tuple[str, str, str, str]] = []
    hints = typing.get_type_hints(type(config))
    for f in dataclasses.fields(config):
        value, path = getattr(config, f.name), f"{where}.{f.name}" if where else f.name
        if dataclasses.is_dataclass(value):
            rows += described_settings(value, path)
        else:
            rows.append(
                (path, _type_name(hints[f.name]), _shown(to_table({"v": value})["v"]), f.metadata.get("help", ""))
            )
    return rows


def _converted(value: Any, declared: Any, where: str) -> Any:
    """`value` as the declared type, or ConfigError; integers are taken for floats, never the reverse."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin in (typing.Union, types.UnionType):
        if type(None) in arguments and isinstance(value, _Text) and value.lower() == "none":
            return None
        for option in (a for a in arguments if a is not type(None)):
            try:
                return _converted(value, option, where)
            except ConfigError:
                continue
        raise ConfigError(f"{where} is {_shown(value)}, expected {_type_name(declared)}")
    if dataclasses.is_dataclass(declared):
        return from_table(typing.cast("type", declared), value, where)
    if isinstance(value, _Text) and declared not in (str, Path) and origin is not Literal:
        value = _typed(value, where)
    if origin is Literal:
        if str(value) in arguments:
            return str(value)
        if value in arguments:
            return value
        raise ConfigError(f"{where} is {_shown(value)}, expected one of {', '.join(map(str, arguments))}")
    if origin is tuple and isinstance(value, list | tuple):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_converted(v, arguments[0], f"{where}[{i}]") for i, v in enumerate(value))
        if len(arguments) == len(value):
            return tuple(
                _converted(v, a, f"{where}[{i}]") for i, (v, a) in enumerate(zip(value, arguments, strict=True))
            )
    elif origin is dict and isinstance(value, Mapping):
        return {str(k): _converted(v, arguments[1], f"{where}.{k}") for k, v in value.items()}
    elif declared in (str, Path) and isinstance(value, str):
        return declared(str(value))
    elif declared is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif declared in (int, bool) and type(value) is declared:
        return value
    raise ConfigError(f"{where} is {_shown(value)}, expected {_type_name(declared)}")


def _typed(text: _Text, where: str) -> Any:
    """Command-line text as a TOML value: numbers, true/false, [lists]; bare words stay text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if text.startswith(("[", "{")):
            raise ConfigError(f"{where} is {text}, which is no TOML list or table: quote the words in it") from None
        return str(text)


def _check_range(value: Any, metadata: Mapping[str, Any], where: str) -> None:
    low, high = metadata.get("minimum"), metadata.get("maximum")
    for number in value if isinstance(value, tuple) else (value,):
        if not isinstance(number, int | float) or isinstance(number, bool):
            continue
        # Written so that a NaN, which compares false with everything, is refused too.
        if (low is not None and not number >= low) or (high is not None and not number <= high):
            raise ConfigError(f"{where} is {number}, expected {_range_text(low, high)}")


def _range_text(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"between {low} and {high}"
    return f"at least {low}" if low is not None else f"at most {high}"


def _near(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"it knows {', '.join(known)}"


def _shown(value: Any) -> str:
    return repr(str(value)) if isinstance(value, str) else repr(value)


def _type_name(declared: Any) -> str:
    if typing.get_origin(declared) is Literal:
        return " | ".join(map(str, typing.get_args(declared)))
    return declared.__name__ if isinstance(declared, type) and not typing.get_args(declared) else str(declared)
