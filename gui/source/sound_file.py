"""A sound file as it is shown before it plays, and the examples that come with the program. Background thread.

path ─▶ read_audio ─▶ peaks are the view's affair ─▶ SoundFile (samples, rate, seconds)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import realtime
from realtime.audio_file import SUFFIXES, read_audio
from realtime.errors import AudioFileError

EXAMPLES = Path(realtime.__file__).resolve().parent / "examples"
LONGEST_SHOWN_S = 3600.0
FILTER = f"Sound files ({' '.join(sorted(f'*{suffix}' for suffix in SUFFIXES))});;All files (*)"


@dataclass(frozen=True, slots=True)
class SoundFile:
    """What was read: samples (channels, n)."""

    path: Path
    samples: NDArray[np.float32]
    rate_hz: int

    @property
    def seconds(self) -> float:
        """Duration."""
        return float(self.samples.shape[1]) / self.rate_hz


def read_sound(path: Path) -> SoundFile:
    """Read a file. Raises `AudioFileError`."""
    found = read_audio(path)
    if found.seconds > LONGEST_SHOWN_S:
        raise AudioFileError(f"{path.name} lasts {found.seconds / 60:.0f} minutes: cut out what you want to try.")
    return SoundFile(path, found.signal, found.sample_rate)


def is_sound(path: Path) -> bool:
    """Whether a name looks like a sound file's."""
    return path.suffix.lower() in SUFFIXES


def examples() -> list[Path]:
    """The sound files that came with the program, maybe none."""
    return sorted(path for path in EXAMPLES.glob("*") if is_sound(path)) if EXAMPLES.is_dir() else []


def example_words(path: Path) -> str:
    """An example's name as it is read: "greensleeves-oboe.flac" is "Greensleeves (oboe)"."""
    title, _, instrument = path.stem.replace("_", "-").partition("-")
    return f"{title.capitalize()} ({instrument.replace('-', ' ')})" if instrument else title.capitalize()


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02d}"
