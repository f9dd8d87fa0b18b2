"""What the Convert panel asks for, file by file: a `Request`, its words on the command line, its name on the disk.

    Job(source) ── Request ──▶ arguments(…)      retimbre convert SOURCE… --out STAGING --json …
                          └──▶ result_path(…)    OUT/FOLDER/NAME (violin).flac, numbered where that exists

Pure, but for `place`, which touches the disk and so never runs on the GUI thread.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

JobState = Literal["ready", "waiting", "running", "done", "failed", "cancelled"]
Existing = Literal["number", "replace", "leave"]

MIDI_SUFFIXES = frozenset({".mid", ".midi"})
_UNFIT_FOR_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
_UNKNOWN_S = 20.0
"""What a file counts for in the overall progress when nobody knows how long it is (a MIDI file)."""
BATCH_S, BATCH_FILES = 60.0, 24
"""One process takes so much sound: starting it costs a second, cancelling one file of it begins the rest anew."""


@dataclass(frozen=True, slots=True)
class Request:
    """How to convert, as it stood when the user pressed Convert."""

    out: Path
    model: str
    """Name or folder of the package."""
    target: str = ""
    """NAME or NAME=0.7,NAME=0.3; empty: the package's first."""
    label: str = ""
    """What the result's name has in brackets."""
    preset: str = ""
    """A preset's name, which brings model, target, controls and plugins; beside it only folder and format count."""
    mix: float = 1.0
    gain_db: float = 0.0
    transpose: float = 0.0
    octave: bool = True
    match_loudness: bool = True
    griffin_lim: bool = False
    midi_source: str = "pluck"
    format_name: str = ""
    """wav, flac, …; empty: each file's own."""
    existing: Existing = "number"


@dataclass(slots=True, eq=False)
class Job:
    """One file of the queue, itself and no other of the same source; belongs to the GUI thread."""

    source: Path
    folder: Path = Path()
    """Below the output folder: what the dropped folder was called, and the folders in it."""
    seconds: float | None = None
    state: JobState = "ready"
    part: float = 0.0
    sentence: str = ""
    """Why it failed, or what to know of a result."""
    result: Path | None = None
    request: Request | None = None

    @property
    def weight(self) -> float:
        """Its share of the work, in seconds of sound."""
        return self.seconds if self.seconds is not None else _UNKNOWN_S

    @property
    def is_midi(self) -> bool:
        """Whether notes must be played before there is any sound."""
        return self.source.suffix.lower() in MIDI_SUFFIXES

    @property
    def active(self) -> bool:
        """Whether work on it is due or under way."""
        return self.state in {"waiting", "running"}


def arguments(request: Request, sources: Sequence[Path], staging: Path) -> list[str]:
    """What follows `retimbre` on the command line that writes the results of `sources` into the folder `staging`."""
    told = ["convert", *map(os.fspath, sources), "--out", os.fspath(staging), "--json", "--jobs", "1"]
    if request.preset:
        told += ["--preset", request.preset]
        return [*told, "--format", request.format_name] if request.format_name else told
    told += ["--model", request.model, "--mix", f"{request.mix:g}", "--gain", f"{request.gain_db:g}"]
    told += ["--transpose", f"{request.transpose:g}", "--octave", "auto" if request.octave else "off"]
    told += ["--source", request.midi_source]
    told.append("--match-loudness" if request.match_loudness else "--no-match-loudness")
    if request.target:
        told += ["--target", request.target]
    if request.griffin_lim:
        told.append("--griffin-lim")
    if request.format_name:
        told += ["--format", request.format_name]
    return told


def batch_of(jobs: Sequence[Job]) -> list[Job]:
    """The first of the waiting `jobs` and those after it that one process can take: alike, and about a minute long."""
    batch: list[Job] = []
    seconds = 0.0
    for job in jobs:
        if batch and (job.request != batch[0].request or seconds + job.weight > BATCH_S or len(batch) == BATCH_FILES):
            break
        # The process writes all of them into one folder, where two of a name would be one.
        if any(job.source.stem.casefold() == other.source.stem.casefold() for other in batch):
            break
        batch.append(job)
        seconds += job.weight
    return batch


def label_of(target: str, model: str) -> str:
    """What a result is called after: the target, a blend as "violin 70 cello 30", or the model when it has none."""
    weights = [part.partition("=") for part in target.split(",") if part]
    if not weights:
        label = model
    elif len(weights) == 1:
        label = weights[0][0]
    else:
        label = " ".join(f"{name} {round(100 * float(weight or 1))}" for name, _, weight in weights)
    return _UNFIT_FOR_NAMES.sub("_", label).strip() or "converted"


def result_path(job: Job, request: Request, suffix: str) -> Path:
    """Where the result of `job` belongs when nothing is there yet; `suffix` is that of the file which was made."""
    return request.out / job.folder / f"{job.source.stem} ({request.label}){suffix}"


def suffix_of(job: Job, request: Request) -> str:
    """How the result's name will end: the chosen format, the source's own, or .wav for MIDI."""
    if request.format_name:
        return f".{request.format_name}"
    return ".wav" if job.is_midi else job.source.suffix


def place(made: Path, wanted: Path, *, replace: bool) -> Path:
    """Move the finished file `made` to `wanted`, or to "NAME 2", "NAME 3", … when that exists, never over anything.

    replace: take the place of what is there. Raises `OSError`. Slow on a network drive: not for the GUI thread.
    """
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if replace:
        made.replace(wanted)
        return wanted
    number = 1
    while True:
        free = wanted if number == 1 else wanted.with_name(f"{wanted.stem} {number}{wanted.suffix}")
        try:
            os.link(made, free)  # refuses what exists in the same moment in which it makes it
        except FileExistsError:
            number += 1
            continue
        except OSError:  # a file system without links (FAT, some network drives)
            if free.exists():
                number += 1
                continue
            made.rename(free)
            return free
        with contextlib.suppress(OSError):
            made.unlink()
        return free
