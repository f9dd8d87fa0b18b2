"""A setlist: presets in the order of the evening, by place, by name and by program number.

    presets = ["intro", "lead", "outro"]
    [programs]
    40 = "lead"                  without this section program 0 is the first preset, 1 the second …

Places are counted from 1, as people do; program numbers from 0 to 127, as MIDI does. A value; any thread. The files are
read and written by `realtime.presets.library`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime.errors import ConfigError
from realtime.presets.file_name import checked_name, shown
from realtime.presets.toml_file import only

FORMAT = 1
MOST_SONGS = 1000
_PROGRAMS = 128


@dataclass(frozen=True, slots=True)
class Setlist:
    """Names of presets in order; the same preset may come twice.

    programs: preset by program number; empty: the places in order. path: the file it is from.
    """

    name: str
    presets: tuple[str, ...]
    programs: Mapping[int, str] = field(default_factory=dict, hash=False)
    path: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        checked_name(self.name, "setlist")
        if not 1 <= len(self.presets) <= MOST_SONGS:
            raise ConfigError(f"{self._where} has {len(self.presets)} presets, but it must have 1 to {MOST_SONGS}.")
        for preset in self.presets:
            checked_name(preset, "preset")
        for number, preset in self.programs.items():
            if type(number) is not int or not 0 <= number < _PROGRAMS:
                raise ConfigError(f"{self._where} has a program {shown(number)}, but programs go from 0 to 127.")
            if preset not in self.presets:
                raise ConfigError(
                    f"{self._where} calls {shown(preset)} by program {number}, which is not one of its presets: "
                    f"choose from {', '.join(self.presets)}."
                )

    @property
    def _where(self) -> str:
        return f"The setlist {self.path or self.name}"

    @property
    def program_names(self) -> dict[int, str]:
        """Preset by program number, for a `MidiMap`."""
        return dict(self.programs) or dict(enumerate(self.presets[:_PROGRAMS]))

    def place_of(self, which: str | int, near: int = 0) -> int:
        """The place, from 1, of a preset by its name or place; of several the first after the place `near`.

        Raises `ConfigError`.
        """
        if isinstance(which, int):
            if not 1 <= which <= len(self.presets):
                raise ConfigError(f"{self._where} has no place {which}: it goes from 1 to {len(self.presets)}.")
            return which
        places = [place for place, name in enumerate(self.presets, 1) if name == which]
        if not places:
            raise ConfigError(f"{self._where} has no preset {shown(which)}: it has {', '.join(self.presets)}.")
        return next((place for place in places if place > near), places[0])

    def step(self, place: int, by: int) -> int:
        """The place so many on; the ends stop it. Place 0 is before the first."""
        return min(max(place + by, 1), len(self.presets))

    def to_text(self) -> str:
        """The setlist as TOML."""
        import tomli_w

        table: dict[str, Any] = {"format": FORMAT, "presets": list(self.presets)}
        if self.programs:
            table["programs"] = {str(number): name for number, name in sorted(self.programs.items())}
        return tomli_w.dumps(table)

    @staticmethod
    def from_table(name: str, table: Mapping[str, Any], path: Path | None = None) -> Setlist:
        """A setlist from what a file holds. Raises `ConfigError` naming the file and the key."""
        where = f"The setlist {path or name}"
        only(dict(table), ("format", "presets", "programs"), where)
        if type(table.get("format", FORMAT)) is not int or table.get("format", FORMAT) != FORMAT:
            raise ConfigError(
                f"{where} has format {shown(table['format'])}, but this program reads {FORMAT}: get a newer one."
            )
        presets, programs = table.get("presets"), table.get("programs", {})
        if not isinstance(presets, list) or not all(isinstance(one, str) for one in presets):
            raise ConfigError(f"{where} has presets {shown(presets)}, but they must be a list of names.")
        if not isinstance(programs, dict):
            raise ConfigError(f"{where} has programs {shown(programs)}, but they must be presets by program number.")
        return Setlist(name, tuple(presets), {_program(key): value for key, value in programs.items()}, path)


def _program(key: str) -> Any:
    """The number that a key spells; the key itself, which is then refused, when it spells none."""
    return int(key) if key.isascii() and key.isdecimal() and len(key) <= 3 else key
