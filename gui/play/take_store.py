"""Recordings on disk: what a folder holds, a picture of each, other names, the trash. Background threads only.

    folder/*.wav ─▶ Take (name, seconds, date, channels) ─▶ shape: (columns,) peaks, read from a few places of the file

A take of an hour is as quick to look at as one of a minute: a column of its picture reads one piece of the file.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.errors import AudioFileError, RetimbreError

SHAPE_COLUMNS = 120
MOST_TAKES = 500
_WHOLE_FRAMES = 1 << 20
_PIECE_FRAMES = 2048
_FORBIDDEN = set('/\\:*?"<>|')


@dataclass(frozen=True, slots=True)
class Take:
    """One recording. seconds, channels: 0 where the file cannot be read, and then `problem` is a sentence."""

    path: Path
    made_s: float
    size_bytes: int
    seconds: float = 0.0
    channels: int = 0
    rate_hz: int = 0
    problem: str = ""
    shape: tuple[float, ...] = ()
    sides: str = ""
    """What was recorded: "input", "output", "both", or "" where nobody remembers."""

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def length(self) -> str:
        """As minutes and seconds."""
        return clock(self.seconds)

    @property
    def recorded(self) -> str:
        """What was recorded, in words."""
        words = {"input": "dry", "output": "wet", "both": "dry + wet"}.get(self.sides)
        return words or ("one side" if self.channels == 1 else "dry + wet")

    def date(self, today: dt.date | None = None) -> str:
        """When it was made: the time alone when that was today."""
        made = dt.datetime.fromtimestamp(self.made_s).astimezone()
        today = today or dt.datetime.now().astimezone().date()
        return f"today {made:%H:%M}" if made.date() == today else f"{made.day} {made:%b %Y, %H:%M}"


def clock(seconds: float) -> str:
    """Minutes and seconds as 3:07, from an hour on 1:02:45."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def read_takes(folder: Path, known: tuple[Take, ...] = (), sides: Mapping[str, str] | None = None) -> tuple[Take, ...]:
    """The newest takes of a folder, newest first; those in `known` that have not changed are not read again.

    sides: what was recorded, by the file's name, where somebody remembers.
    """
    sides = sides or {}
    before = {(take.path, take.made_s, take.size_bytes): take for take in known}
    takes = []
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() == ".wav" and not path.name.startswith(".")]
    except OSError:
        return ()  # no folder yet, no takes yet
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue  # gone while we looked
        takes.append(Take(path, status.st_mtime, status.st_size))
    takes.sort(key=lambda take: take.made_s, reverse=True)
    found = (before.get((take.path, take.made_s, take.size_bytes)) or _looked_into(take) for take in takes[:MOST_TAKES])
    return tuple(replace(take, sides=sides.get(take.path.name, "")) for take in found)


def renamed(path: Path, name: str) -> Path:
    """Give a take another name. Raises `AudioFileError` with a sentence."""
    name = name.strip()
    if not name or name.startswith(".") or len(name) > 120 or any(c in _FORBIDDEN or ord(c) < 32 for c in name):
        raise AudioFileError(f"A take cannot be named {name[:40]!r}: use letters, digits, spaces and dashes.")
    goal = path.with_name(f"{name}{path.suffix}")
    if goal == path:
        return path
    if goal.exists() and not (path.exists() and goal.samefile(path)):
        raise AudioFileError(f"There is already a take named {name!r}: choose another name.")
    try:
        return path.rename(goal)
    except OSError as error:
        raise AudioFileError(
            f"{path.name} could not be renamed ({error.strerror}): see whether it is there."
        ) from error


def _looked_into(take: Take) -> Take:
    import soundfile  # late: only this panel needs it, and only here

    try:
        with soundfile.SoundFile(str(take.path)) as file:
            rate, frames, channels = int(file.samplerate), int(file.frames), int(file.channels)
            shape = _shape(file, frames)
    except (soundfile.SoundFileError, RetimbreError, OSError, RuntimeError, ValueError, struct.error) as error:
        return replace(take, problem=f"{take.path.name} cannot be read as sound ({str(error)[:80].rstrip('.')}).")
    return replace(take, seconds=frames / rate, channels=channels, rate_hz=rate, shape=shape)


def _shape(file: object, frames: int) -> tuple[float, ...]:
    """The largest sample of each column, 1 at most."""
    if frames == 0:
        return ()
    columns = min(SHAPE_COLUMNS, frames)
    if frames <= _WHOLE_FRAMES:
        sound: NDArray[np.float32] = file.read(dtype="float32", always_2d=True)  # type: ignore[attr-defined]
        pieces = np.array_split(np.abs(sound).max(axis=1), columns)
    else:
        pieces = []
        for column in range(columns):
            file.seek(column * (frames - _PIECE_FRAMES) // columns)  # type: ignore[attr-defined]
            pieces.append(np.abs(file.read(_PIECE_FRAMES, dtype="float32", always_2d=True)))  # type: ignore[attr-defined]
    return tuple(min(1.0, float(np.nan_to_num(piece).max(initial=0.0))) for piece in pieces)
