"""What is done with setlist files: list, save, rename, delete and bring back. Any thread but the GUI's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from realtime.errors import ConfigError
from realtime.presets.library import SETLISTS, list_setlists, preset_folder, read_setlist, write_setlist
from realtime.presets.setlist import Setlist


@dataclass(frozen=True, slots=True)
class SetlistEntry:
    """A setlist to choose; value None and a sentence where its file is broken; own: in the user's folder."""

    name: str
    path: Path
    own: bool
    value: Setlist | None
    error: str | None = None


def listed() -> list[SetlistEntry]:
    """Every setlist that a name finds, by name."""
    own = preset_folder() / SETLISTS
    found = [
        SetlistEntry(
            one.name, one.path, one.path.parent == own, one.value if isinstance(one.value, Setlist) else None, one.error
        )
        for one in list_setlists()
        if not one.hidden
    ]
    return sorted(found, key=lambda one: one.name.casefold())


def saved(setlist: Setlist) -> Setlist:
    """Write it among the user's; the setlist with its file. Raises `ConfigError`."""
    return replace(setlist, path=write_setlist(replace(setlist, path=None)))


def renamed(entry: SetlistEntry, name: str) -> Setlist:
    """Give a setlist of the user another name. Raises `ConfigError`."""
    target = entry.path.with_name(f"{name}.toml")
    if target.exists():
        raise ConfigError(f"There is a setlist named {name!r} already: choose another name.")
    setlist = replace(read_setlist(entry.path), name=name, path=target)
    write_setlist(replace(setlist, path=None), target)
    deleted(entry)
    return setlist


def deleted(entry: SetlistEntry) -> bytes:
    """Delete a setlist of the user; what its file held. Raises `ConfigError`."""
    try:
        content = entry.path.read_bytes()
        entry.path.unlink()
    except OSError as error:
        raise ConfigError(f"The setlist {entry.path} cannot be removed ({error.strerror or error}).") from None
    return content


def brought_back(entry: SetlistEntry, content: bytes) -> Path:
    """Write a deleted setlist again, unless its name is taken by now. Raises `ConfigError`."""
    try:
        with entry.path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise ConfigError(f"There is a setlist named {entry.name!r} again: rename that one first.") from None
    except OSError as error:
        raise ConfigError(f"The setlist {entry.path} cannot be written ({error.strerror or error}).") from None
    return entry.path
