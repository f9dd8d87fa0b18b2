"""A setlist while it is being made: places in order, a MIDI program number for each or by the order. Pure; any thread.

A draft may be empty and unnamed, which a `Setlist` may not; `to_setlist` checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from realtime.errors import ConfigError
from realtime.presets.setlist import Setlist


@dataclass(frozen=True, slots=True)
class SetlistDraft:
    """songs: names of presets; programs: preset by number, None: the places in order, from 0."""

    name: str = ""
    songs: tuple[str, ...] = ()
    programs: tuple[tuple[int, str], ...] | None = None

    @staticmethod
    def of(setlist: Setlist) -> SetlistDraft:
        """The draft of a setlist."""
        programs = tuple(sorted(setlist.programs.items())) or None
        return SetlistDraft(setlist.name, setlist.presets, programs)

    def to_setlist(self) -> Setlist:
        """The setlist. Raises `ConfigError`, when it is empty or has no name."""
        if not self.songs:
            raise ConfigError("The setlist is empty: add a preset to it.")
        return Setlist(self.name, self.songs, dict(self.programs or ()))

    def with_song(self, name: str, place: int | None = None) -> Self:
        """A preset more, before the place counted from 0; None: at the end."""
        at = len(self.songs) if place is None else place
        return replace(self, songs=(*self.songs[:at], name, *self.songs[at:]))

    def without(self, place: int) -> Self:
        """A place less; a program number that calls what is in no place any more goes with it."""
        return self.with_songs((*self.songs[:place], *self.songs[place + 1 :]))

    def with_songs(self, songs: Sequence[str]) -> Self:
        """Another order."""
        kept = None if self.programs is None else tuple(one for one in self.programs if one[1] in songs)
        return replace(self, songs=tuple(songs), programs=kept)

    def moved(self, place: int, to: int) -> Self:
        """One place elsewhere; `to` counts among the others."""
        songs = list(self.songs)
        songs.insert(to, songs.pop(place))
        return self.with_songs(songs)

    def program_of(self, place: int) -> int | None:
        """The program number that calls what is in this place."""
        if self.programs is None:
            return place if place < 128 else None
        name = self.songs[place]
        return next((number for number, song in self.programs if song == name), None)

    def with_program(self, place: int, number: int | None) -> Self:
        """Have a number call what is in this place, and nothing else; None: no number does."""
        name = self.songs[place]
        now = self.programs
        if now is None:
            now = tuple((at, song) for at, song in enumerate(self.songs[:128]))
        others = [one for one in now if one[0] != number and one[1] != name]
        chosen = others if number is None else [*others, (number, name)]
        return replace(self, programs=tuple(sorted(chosen)))

    def in_order(self) -> Self:
        """Program 0 is the first place, 1 the second, and so on."""
        return replace(self, programs=None)
