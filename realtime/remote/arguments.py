"""What comes with an address, read as what the address wants; a sentence for what does not fit. Any thread."""

from __future__ import annotations

import math
from collections.abc import Sequence

from realtime.errors import ConfigError
from realtime.presets.file_name import shown
from realtime.remote.session import ROOT, Argument

_LARGEST = 3.4e38  # a 32-bit number


def first_word(address: str) -> str:
    """The word after `/retimbre/`; empty for an address that is not ours."""
    words = address.split("/")
    return words[2] if len(words) > 2 and f"/{words[1]}" == ROOT else ""


def no_more(word: str, words: Sequence[str]) -> None:
    """Refuse words after an address that has none."""
    if words:
        raise ConfigError(f"There is no address {ROOT}/{word}/{'/'.join(words)[:80]}; it is {ROOT}/{word}.")


def _one(what: str, values: Sequence[Argument], wanted: str) -> Argument:
    if len(values) != 1:
        raise ConfigError(f"{what} came with {len(values)} arguments, but it takes one: {wanted}.")
    return values[0]


def number(what: str, values: Sequence[Argument]) -> float:
    """The one finite number."""
    value = _one(what, values, "a number")
    if isinstance(value, str) or not abs(value) <= _LARGEST:
        raise ConfigError(f"{what} came with {shown(value)}, but it takes a finite number.")
    return float(value)


def switch(what: str, values: Sequence[Argument], *, old: bool) -> bool:
    """On or off; "toggle" is what `old` is not."""
    value = _one(what, values, "0, 1 or toggle")
    if value == "toggle":
        return not old
    if isinstance(value, str) or not math.isfinite(value):
        raise ConfigError(f"{what} came with {shown(value)}, but it takes 0, 1 or toggle.")
    return value >= 0.5


def text(what: str, values: Sequence[Argument]) -> str:
    """The one text that is not empty."""
    value = _one(what, values, "text")
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{what} came with {shown(value)}, but it takes text.")
    return value
