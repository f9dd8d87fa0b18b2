"""Strict reading of a `.nam` file's two halves: named settings, and one flat list of weights. Any thread.

    Fields   one JSON object and where it stands; each question names the key, what was found and what is right
    Weights  the flat list, taken from the front; what is asked for beyond its end or left over is refused

Every refusal is a PackageError of one sentence that begins with the file's name. Sizes are compared with the weights
that are really there before any memory is asked for, so that a file cannot ask for more than it brings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from realtime.errors import PackageError

WeightArray = NDArray[np.float64]
_LARGEST_WEIGHT = 3.0e38  # of a float32, in which the network runs
_LARGEST_LIST = 4096
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Fields:
    """The JSON object `data`, which stands at `where` (such as "amp.nam: config.layers[0]")."""

    data: dict[str, Any]
    where: str

    @classmethod
    def of(cls, value: object, where: str) -> Fields:
        """Fields of `value`, which must be an object."""
        if not isinstance(value, dict):
            raise PackageError(f"{where} is {_short(value)}, but it must be an object: export the capture again.")
        return cls(value, where)

    def __contains__(self, key: str) -> bool:
        """Whether the key is there with something in it: null is how exporters write "none"."""
        return self.data.get(key) is not None

    def refuse(self, key: str, expected: str) -> NoReturn:
        """Raise the sentence that names `key` and what it should have been."""
        found = _short(self.data[key]) if key in self.data else "missing"
        raise PackageError(f"{self.where}.{key} is {found}, but it must be {expected}: export the capture again.")

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """The whole number at `key`; 3.0 is one."""
        value = self.data.get(key, _MISSING)
        if value is _MISSING and default is not None:
            return default
        if not _is_whole(value, low, high):
            self.refuse(key, f"a whole number from {low} to {high}")
        return int(value)

    def number(self, key: str, default: float | None = None) -> float:
        """The finite number at `key`."""
        value = self.data.get(key, _MISSING)
        if value is _MISSING and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST_WEIGHT:
            self.refuse(key, "a finite number")
        return float(value)

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """True or false at `key`."""
        value = self.data.get(key, _MISSING)
        if value is _MISSING and default is not None:
            return default
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return value

    def word(self, key: str) -> str:
        """The text at `key`."""
        value = self.data.get(key, _MISSING)
        if not isinstance(value, str):
            self.refuse(key, "a text")
        return value

    def inner(self, key: str) -> Fields:
        """The object at `key`."""
        if key not in self.data:
            self.refuse(key, "an object")
        return Fields.of(self.data[key], f"{self.where}.{key}")

    def items(self, key: str, length: int | None = None) -> list[Any]:
        """The list at `key`, never empty, of `length` items if that is given."""
        value = self.data.get(key, _MISSING)
        if not isinstance(value, list) or not 1 <= len(value) <= _LARGEST_LIST or length not in (None, len(value)):
            self.refuse(key, f"a list of {'1 to ' + str(_LARGEST_LIST) if length is None else length} items")
        return value

    def each(self, key: str, length: int, default: object = _MISSING) -> list[Any]:
        """A value per layer: the list at `key`, or what stands there (or `default`) for every layer."""
        value = self.data.get(key, default)
        if value is _MISSING:
            self.refuse(key, f"one value or a list of {length}")
        return self.items(key, length) if isinstance(value, list) else [value] * length

    def wholes(self, key: str, low: int, high: int, length: int | None = None) -> list[int]:
        """The list of whole numbers at `key`; one number stands for all where the `length` is given."""
        values = self.items(key) if length is None else self.each(key, length)
        if not all(_is_whole(value, low, high) for value in values):
            self.refuse(key, f"whole numbers from {low} to {high}")
        return [int(value) for value in values]


class Weights:
    """A network's flat list of weights, read from the front."""

    def __init__(self, values: object, where: str) -> None:
        """`values` is what stands under the key "weights" of the object at `where`."""
        self._where = where
        if not isinstance(values, list):
            raise PackageError(f"{where}.weights is {_short(values)}, but it must be a list: export the capture again.")
        if not all(type(value) in (int, float) for value in values):
            odd = next(value for value in values if type(value) not in (int, float))
            raise PackageError(
                f"{where}.weights holds {_short(odd)}, but every weight is a number: export the capture again."
            )
        if not all(abs(value) < _LARGEST_WEIGHT for value in values):  # false for NaN too
            odd = next(value for value in values if not abs(value) < _LARGEST_WEIGHT)
            raise PackageError(
                f"{where}.weights holds {_short(odd)}, but every weight must be finite: export the capture again."
            )
        self._values = np.array(values, np.float64)
        self._position = 0

    def take(self, *shape: int) -> WeightArray:
        """The next weights, in this shape."""
        count = math.prod(shape)
        if count > len(self._values) - self._position:
            raise PackageError(
                f"{self._where} has {len(self._values)} weights, but its settings ask for at least "
                f"{self._position + count}: it was copied in part or changed, get the file again from its source."
            )
        taken = self._values[self._position : self._position + count]
        self._position += count
        return taken.reshape(shape)

    def finish(self) -> None:
        """Refuse weights that nothing asked for: the settings do not describe this network."""
        if self._position != len(self._values):
            raise PackageError(
                f"{self._where} has {len(self._values)} weights, but its settings ask for {self._position}: "
                "it was changed or is of a kind that this retimbre does not know, export the capture again."
            )


def equal_lengths(where: str, parts: Sequence[tuple[str, int]]) -> None:
    """Refuse channels that do not meet: `parts` are what has how many of them."""
    if len({count for _, count in parts}) > 1:
        found = ", ".join(f"{what} {count}" for what, count in parts)
        raise PackageError(f"In {where} the channels do not meet ({found}): export the capture again.")


def _is_whole(value: object, low: int, high: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return False
    return value == int(value)


def _short(value: object) -> str:
    """`value` for a sentence: never long, never more than one line."""
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    return repr(value)[:60]
