"""TOML files that people write and edit: read with a sentence for everything that can be wrong, never half-written.

    text ─▶ .NAME.toml.123-0.part ─▶ on the disk ─▶ renamed to NAME.toml

So at every moment, also when the power fails, the file is the old one or the new one. Any thread.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from realtime.errors import ConfigError
from realtime.presets.file_name import shown

LARGEST_BYTES = 256 * 1024
_NUMBERS = itertools.count()


def read_table(path: Path, what: str) -> dict[str, Any]:
    """The content of a TOML file; `what` (such as "preset") is for the sentence. Raises `ConfigError`.

    Numbers are finite, and whole ones have 64 bits at most.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:  # a zero byte in a path is a ValueError
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"The {what} {path} cannot be read ({why}): see `retimbre presets list`.") from None
    if len(data) > LARGEST_BYTES:
        raise ConfigError(
            f"The {what} {path} is larger than {LARGEST_BYTES // 1024} KiB, which none is: choose another."
        )
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"The {what} {path} is not text in UTF-8: save it as such.") from None
    except (ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:120]
        raise ConfigError(f"The {what} {path} is not valid TOML ({why}): put it right there.") from None
    _check_numbers(table, (), what, path)
    return table


def only(table: dict[str, Any], known: Sequence[str], where: str) -> None:
    """Refuse a key that is not known; `where` begins the sentence. Raises `ConfigError`."""
    for key in table:
        if key not in known:
            raise ConfigError(f"{where} has an unknown key {shown(key)}: known are {', '.join(known)}.")


def write_text(path: Path, text: str, what: str) -> None:
    """Write the whole file or nothing, over one that is there. Raises `ConfigError`."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{next(_NUMBERS)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except (OSError, ValueError) as error:  # half a character of a path is a ValueError
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"The {what} {path} cannot be written ({why}): free space, or choose another place."
        ) from None


def _sync_folder(folder: Path) -> None:
    """Make the renaming last through a power cut, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _check_numbers(value: object, keys: tuple[str, ...], what: str, path: Path) -> None:
    waiting: list[tuple[object, tuple[str, ...]]] = [(value, keys)]
    while waiting:
        found, place = waiting.pop()
        if isinstance(found, dict):
            waiting += [(item, (*place, str(key))) for key, item in found.items()]
        elif isinstance(found, list):
            waiting += [(item, place) for item in found]
        elif (isinstance(found, int) and not -(1 << 63) <= found < 1 << 63) or (
            isinstance(found, float) and not math.isfinite(found)
        ):
            where = ".".join(place)
            raise ConfigError(f"The {what} {path} has {shown(found)} as {where[:80]}, but it must be a finite number.")
