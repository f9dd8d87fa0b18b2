"""What lies in dropped files and folders: every sound and MIDI file, and one sentence for each thing that is neither.

    dropped ─▶ find_sounds ─▶ Found(sounds, problems)          the folder's tree is kept below the output folder
    sound ──▶ duration_s                                       from the header alone

Reads disks, perhaps slow ones: runs in the background, never on the GUI thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gui.convert.job import MIDI_SUFFIXES
from realtime.audio_file import FORMATS, SUFFIXES

UNDERSTOOD = frozenset(SUFFIXES) | MIDI_SUFFIXES
MOST_FILES = 5000


@dataclass(frozen=True, slots=True)
class FoundSound:
    """A file to convert; `folder` is where its result belongs below the output folder."""

    path: Path
    folder: Path = Path()


@dataclass(frozen=True, slots=True)
class Found:
    """What can be converted, and sentences for what cannot."""

    sounds: tuple[FoundSound, ...]
    problems: tuple[str, ...]


def find_sounds(paths: Iterable[Path]) -> Found:
    """Files as they are, folders with everything below them; hidden files are left out, nothing is met twice."""
    sounds: dict[Path, FoundSound] = {}
    problems: list[str] = []
    for path in paths:
        if path.is_dir():
            found = _below(path, problems)
            if not found and not problems:
                problems.append(f"There are no sound or MIDI files in {path.name}; drop another folder.")
            sounds.update((one.path, one) for one in found if one.path not in sounds)
        elif not path.exists():
            problems.append(f"{path.name} is not there any more; choose it again.")
        elif path.suffix.lower() not in UNDERSTOOD:
            kind = path.suffix.lstrip(".") or "unknown"
            problems.append(
                f"{path.name} is of the kind {kind}, but {', '.join(FORMATS)} and MIDI files can be converted; "
                "export it as one of them."
            )
        else:
            sounds.setdefault(path, FoundSound(path))
    if len(sounds) > MOST_FILES:
        problems.append(f"{len(sounds)} files were dropped, but the queue takes {MOST_FILES}; drop the rest later.")
    return Found(tuple(sounds.values())[:MOST_FILES], tuple(problems))


def _below(folder: Path, problems: list[str]) -> list[FoundSound]:
    """Sounds below `folder`, sorted as a file manager has them."""
    found: list[FoundSound] = []

    def cannot(error: OSError) -> None:
        name = Path(error.filename).name if error.filename else folder.name
        problems.append(f"The folder {name} cannot be read ({error.strerror}); allow it or drop its files.")

    for parent, folders, files in os.walk(folder, onerror=cannot):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=str.casefold)
        here = Path(parent)
        below = Path(folder.name) / here.relative_to(folder)
        sounds = (name for name in sorted(files, key=str.casefold) if Path(name).suffix.lower() in UNDERSTOOD)
        found += [FoundSound(here / name, below) for name in sounds if not name.startswith(".")]
    return found


def duration_s(path: Path) -> float | None:
    """How long a sound is by its header; None when that cannot be known before it is read."""
    if path.suffix.lower() in MIDI_SUFFIXES:
        return None
    import soundfile  # 50 ms of import that no other panel should wait for

    try:
        return float(soundfile.info(str(path)).duration)
    except (OSError, RuntimeError, ValueError):
        return None  # converting it will say why
