"""Dataclasses as plain values (JSON, TOML) and back, checked: the annotations of a class are its schema.

    StreamSettings(model="voice", block=64)  ⇄  {"model": "voice", "block": 64, …}

Understood: bool, int, float, str, None, Path, Literal, unions, tuples, mappings with text keys, dataclasses, and every
class that speaks for itself by `to_mapping` and `from_mapping`. What does not fit raises `ConfigError` with a sentence
that names the place; nothing else is ever raised, whatever the value is. Any thread.
"""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from realtime.errors import ConfigError

_SHOWN = 60


def to_plain(value: Any) -> Any:
    """Only dict, list, str, int, float, bool and None."""
    if hasattr(value, "to_mapping"):
        return value.to_mapping()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def from_plain(kind: Any, value: Any, where: str) -> Any:
    """The value of type `kind`; `where` names it in a sentence. Raises `ConfigError`."""
    origin = get_origin(kind)
    if kind is Any:
        return value
    if origin is Literal:
        for choice in get_args(kind):
            if type(value) is type(choice) and value == choice:
                return choice
        raise _unfit(where, value, "one of " + ", ".join(map(repr, get_args(kind))))
    if origin in (Union, types.UnionType):
        return _from_union(get_args(kind), value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise _unfit(where, value, "a list")
        return tuple(from_plain(get_args(kind)[0], item, f"{where}[{n}]") for n, item in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise _unfit(where, value, "a table")
        return {key: from_plain(get_args(kind)[1], item, f"{where}.{key}") for key, item in value.items()}
    if hasattr(kind, "from_mapping") or is_dataclass(kind):
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise _unfit(where, value, "a table")
        return kind.from_mapping(value) if hasattr(kind, "from_mapping") else _from_table(kind, value, where)
    return _from_simple(kind, value, where)


def _from_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and types.NoneType in kinds:
        return None
    able = [kind for kind in kinds if kind is not types.NoneType]
    for kind in able[:-1]:
        try:
            return from_plain(kind, value, where)
        except ConfigError:
            continue
    return from_plain(able[-1], value, where)


def _from_table(kind: Any, value: Mapping[str, Any], where: str) -> Any:
    types_ = _hints(kind)
    known = {field.name: field for field in fields(kind) if field.init}
    for key in value:
        if key not in known:
            raise ConfigError(f"{where} has an unknown key {key[:_SHOWN]!r}: known are {', '.join(known)}.")
    for name, field in known.items():
        if name not in value and field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(f"{where} lacks {name!r}: give it.")
    return kind(**{key: from_plain(types_[key], item, f"{where}.{key}") for key, item in value.items()})


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _from_simple(kind: Any, value: Any, where: str) -> Any:
    if kind is None or kind is types.NoneType:
        if value is None:
            return None
        raise _unfit(where, value, "nothing")
    if kind is bool or kind is str:
        if type(value) is kind:
            return value
        raise _unfit(where, value, "true or false" if kind is bool else "text")
    if kind is int:
        if type(value) is int and abs(value) < 1 << 53:
            return value
        raise _unfit(where, value, "a whole number")
    if kind is float:
        if type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value):
            return float(value)
        raise _unfit(where, value, "a number")
    if kind is Path:
        if isinstance(value, str) and value and "\0" not in value:
            return Path(value)
        raise _unfit(where, value, "a path")
    raise TypeError(f"{kind} of {where} is not understood")  # a defect of the class, found by its first test


def _unfit(where: str, value: Any, wanted: str) -> ConfigError:
    shown = repr(value)
    return ConfigError(f"{where} is {shown[:_SHOWN]}{'…' if len(shown) > _SHOWN else ''}, but it must be {wanted}.")
