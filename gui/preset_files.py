"""What is done with preset files: list, rename, delete and bring back. Any thread but the GUI's: files may be slow.

    listed()           every preset, the user's own marked
    renamed(old, new)  NEW.toml with what OLD.toml held; setlists of the user that call it follow
    deleted(name)      the file's bytes, for `brought_back`

Only presets in the user's own folder can be renamed or deleted; one that comes with the program is saved again there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.errors import ConfigError
from realtime.presets.library import (
    list_presets,
    list_setlists,
    preset_folder,
    read_preset,
    resolve_preset,
    write_preset,
    write_setlist,
)
from realtime.presets.setlist import Setlist

if TYPE_CHECKING:
    from realtime.presets.preset import Preset


@dataclass(frozen=True, slots=True)
class PresetEntry:
    """A preset to choose. error: a sentence, when its file cannot be used; own: in the user's folder."""

    name: str
    path: Path
    own: bool
    model: str = ""
    error: str | None = None

    def fits(self, words: str) -> bool:
        """Whether every word of a search is in its name or its model's."""
        text = f"{self.name} {self.model}".casefold()
        return all(word in text for word in words.casefold().split())


@dataclass(frozen=True, slots=True)
class Deleted:
    """A file that was deleted, and how to have it again."""

    path: Path
    content: bytes


def listed() -> list[PresetEntry]:
    """Every preset that a name finds, by name."""
    own = preset_folder()
    found = [
        PresetEntry(
            one.name,
            one.path,
            one.path.parent == own,
            "" if one.value is None else Path(one.value.model).name,  # type: ignore[union-attr]  # a preset
            one.error,
        )
        for one in list_presets()
        if not one.hidden
    ]
    return sorted(found, key=lambda one: one.name.casefold())


def read(name: str) -> Preset | None:
    """The preset of that name; None where it is gone or broken."""
    try:
        return resolve_preset(name)
    except ConfigError:
        return None


def renamed(entry: PresetEntry, name: str) -> int:
    """Give a preset of the user another name; how many setlists followed. Raises `ConfigError`."""
    target = entry.path.with_name(f"{name}.toml")
    same_file = target.exists() and target.samefile(entry.path)  # "lead" to "Lead" where case does not count
    if target.exists() and not same_file:
        raise ConfigError(f"There is a preset named {name!r} already: choose another name.")
    preset = read_preset(entry.path)
    content = entry.path.read_bytes()
    if same_file:
        _unlink(entry.path)
    try:
        write_preset(replace(preset, name=name), target)
    except ConfigError:
        if same_file:
            entry.path.write_bytes(content)
        raise
    if not same_file:
        _unlink(entry.path)
    followed = 0
    own = preset_folder() / "setlists"
    for found in list_setlists():
        setlist = found.value
        if isinstance(setlist, Setlist) and found.path.parent == own and entry.name in setlist.presets:
            presets = tuple(name if one == entry.name else one for one in setlist.presets)
            programs = {number: name if one == entry.name else one for number, one in setlist.programs.items()}
            write_setlist(replace(setlist, presets=presets, programs=programs), found.path)
            followed += 1
    return followed


def deleted(entry: PresetEntry) -> Deleted:
    """Delete a preset of the user. Raises `ConfigError`."""
    try:
        content = entry.path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The preset {entry.path} cannot be read ({error.strerror or error}): look at it.") from None
    _unlink(entry.path)
    return Deleted(entry.path, content)


def brought_back(gone: Deleted) -> Path:
    """Write a deleted preset again, unless its name is taken by now. Raises `ConfigError`."""
    try:
        with gone.path.open("xb") as file:
            file.write(gone.content)
    except FileExistsError:
        raise ConfigError(f"There is a preset named {gone.path.stem!r} again: rename that one first.") from None
    except OSError as error:
        raise ConfigError(f"The preset {gone.path} cannot be written ({error.strerror or error}).") from None
    return gone.path


def _unlink(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise ConfigError(
            f"The preset {path} cannot be removed ({error.strerror or error}): allow it in that folder."
        ) from None
