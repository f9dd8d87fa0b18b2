"""Presets and setlists as files: where they are, reading, writing, finding by name, and checking against what is here.

    RETIMBRE_PRESETS (folders) ─▶ the user's folder ─▶ those that come with the program      the first of a name counts
        FOLDER/NAME.toml           a preset
        FOLDER/setlists/NAME.toml  a setlist

Written atomically, so that a name is the old file or the new one. Runs on any thread but an audio thread.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from realtime.errors import ConfigError, RetimbreError
from realtime.presets.file_name import checked_name, shown
from realtime.presets.preset import Preset
from realtime.presets.preset_text import preset_from_table, preset_to_text
from realtime.presets.setlist import Setlist
from realtime.presets.toml_file import read_table, write_text

__all__ = [
    "FOLDERS_VARIABLE",
    "Found",
    "Preset",
    "Setlist",
    "check_preset",
    "check_setlist",
    "list_presets",
    "list_setlists",
    "preset_folder",
    "preset_folders",
    "read_preset",
    "read_setlist",
    "resolve_preset",
    "resolve_setlist",
    "write_preset",
    "write_setlist",
]

FOLDERS_VARIABLE = "RETIMBRE_PRESETS"
SUFFIX = ".toml"
SETLISTS = "setlists"
_T = TypeVar("_T", Preset, Setlist)


@dataclass(frozen=True, slots=True)
class Found:
    """A file that should be a preset or a setlist; `value` is None and `error` a sentence where it is none.

    hidden: an earlier folder has one of the same name.
    """

    name: str
    path: Path
    value: Preset | Setlist | None
    error: str | None = None
    hidden: bool = False


def preset_folder() -> Path:
    """The user's own folder of presets, where new ones are written."""
    from platformdirs import user_config_path  # late, because only those who look for presets need it

    return user_config_path("retimbre", appauthor=False) / "presets"


def preset_folders() -> list[Path]:
    """The folders that are searched, in order."""
    named = [Path(part) for part in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if part]
    return list(dict.fromkeys([*named, preset_folder(), Path(__file__).with_name("example_presets")]))


def read_preset(path: Path | str) -> Preset:
    """The preset in a file; its name is the file's. Raises `ConfigError`."""
    path = Path(path)
    return preset_from_table(_named(path, "preset"), read_table(path, "preset"), path)


def write_preset(preset: Preset, path: Path | None = None) -> Path:
    """Write NAME.toml in the user's folder, or the file given, which bears the same name. Raises `ConfigError`."""
    return _write(preset, "preset", preset_to_text(preset), path or preset_folder() / f"{preset.name}{SUFFIX}")


def read_setlist(path: Path | str) -> Setlist:
    """The setlist in a file; its name is the file's. Raises `ConfigError`."""
    path = Path(path)
    return Setlist.from_table(_named(path, "setlist"), read_table(path, "setlist"), path)


def write_setlist(setlist: Setlist, path: Path | None = None) -> Path:
    """Write NAME.toml among the user's setlists, or the file given, of the same name. Raises `ConfigError`."""
    own = preset_folder() / SETLISTS / f"{setlist.name}{SUFFIX}"
    return _write(setlist, "setlist", setlist.to_text(), path or own)


def list_presets() -> list[Found]:
    """Every preset that is found, broken ones with their sentence, in the order of the folders and then of names."""
    return _list(preset_folders(), read_preset)


def list_setlists() -> list[Found]:
    """Every setlist that is found, broken ones with their sentence."""
    return _list([folder / SETLISTS for folder in preset_folders()], read_setlist)


def resolve_preset(name_or_path: str | Path) -> Preset:
    """The preset of that name, or in that file. Raises `ConfigError`, which suggests near names."""
    return _resolve(name_or_path, "preset", preset_folders(), read_preset)


def resolve_setlist(name_or_path: str | Path) -> Setlist:
    """The setlist of that name, or in that file. Raises `ConfigError`, which suggests near names."""
    return _resolve(name_or_path, "setlist", [folder / SETLISTS for folder in preset_folders()], read_setlist)


def check_preset(preset: Preset) -> list[str]:
    """Sentences of what is missing here for the preset to play: model, targets, files; empty when nothing is."""
    found = [
        f"{preset.where} names {path} as {key}, which is not there: put it there or name another."
        for key, path in preset.files().items()
        if not path.exists()
    ]
    try:
        preset.resolved()
    except RetimbreError as error:
        found.append(str(error))
    return found


def check_setlist(setlist: Setlist) -> list[str]:
    """Sentences of what is wrong with the presets of a setlist; empty when nothing is."""
    found: list[str] = []
    for name in dict.fromkeys(setlist.presets):
        try:
            found += check_preset(resolve_preset(name))
        except ConfigError as error:
            found.append(f"The setlist {setlist.path or setlist.name} calls {shown(name)}: {error}")
    return found


def _named(path: Path, what: str) -> str:
    if path.suffix != SUFFIX:
        raise ConfigError(f"The {what} {path} does not end in {SUFFIX}, as a {what} does: name it so.")
    return checked_name(path.stem, what)


def _write(value: Preset | Setlist, what: str, text: str, path: Path) -> Path:
    if path.name != f"{value.name}{SUFFIX}":
        raise ConfigError(
            f"The {what} {value.name} cannot be written to {path}, because a {what} has its file's name: "
            f"call the file {value.name}{SUFFIX}."
        )
    write_text(path, text, what)
    return path


def _candidates(folders: list[Path]) -> Iterator[Path]:
    for folder in folders:
        if folder.is_dir():
            yield from sorted(one for one in folder.glob(f"*{SUFFIX}") if one.is_file() and one.name[0] != ".")


def _list(folders: list[Path], read: Callable[[Path], Preset | Setlist]) -> list[Found]:
    found: list[Found] = []
    taken: set[str] = set()
    for path in _candidates(folders):
        hidden = path.stem in taken
        taken.add(path.stem)
        try:
            found.append(Found(path.stem, path, read(path), hidden=hidden))
        except ConfigError as error:
            found.append(Found(path.stem, path, None, str(error), hidden))
    return found


def _resolve(name_or_path: str | Path, what: str, folders: list[Path], read: Callable[[Path], _T]) -> _T:
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(SUFFIX) or any(m and m in text for m in (os.sep, os.altsep)):
        return read(Path(name_or_path))
    names: list[str] = []
    for path in _candidates(folders):
        if path.stem == text:
            return read(path)
        names.append(path.stem)
    known = sorted(set(names))
    near = difflib.get_close_matches(text, known, n=3, cutoff=0.5) or [name for name in known if text and text in name]
    advice = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known) or 'none'}."
    raise ConfigError(f"There is no {what} named {shown(text)} in {folders[-2]} or any other folder of them: {advice}")
