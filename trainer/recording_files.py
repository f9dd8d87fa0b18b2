"""Sound files on disk: a span of one read, FLAC written whole or not at all, and the hash of what was read.

A span is read by seeking, so that a minute of a three-hour stream costs the memory of a minute.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import soundfile

from realtime.errors import DataError
from trainer.recording_checks import FloatArray

SOUND_FILES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".w64", ".caf", ".au"})


def read_sound(path: Path, start_s: float = 0.0, stop_s: float | None = None) -> tuple[FloatArray, int]:
    """Samples (samples, channels) float32 of [start_s, stop_s) and rate; DataError for what libsndfile cannot read."""
    try:
        with soundfile.SoundFile(path) as file:
            rate = int(file.samplerate)
            start = min(round(start_s * rate), file.frames)
            frames = -1 if stop_s is None else max(0, round(stop_s * rate) - start)
            if start:
                file.seek(start)
            samples = file.read(frames, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise DataError(f"cannot be read as sound ({str(error).rstrip('.')}): export it as wav or flac") from error
    return samples, rate


def duration_s(path: Path) -> float:
    """Seconds in a sound file by its header; DataError as `read_sound`."""
    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        raise DataError(f"cannot be read as sound ({str(error).rstrip('.')}): export it as wav or flac") from error
    return float(info.frames / info.samplerate)


def write_sound(path: Path, signal: FloatArray, sample_rate: int, subtype: str) -> None:
    """Write FLAC beside `path` and rename, so that a stopped run leaves nothing half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    soundfile.write(beside, signal, sample_rate, format="FLAC", subtype=subtype)
    beside.replace(path)


def content_hash(path: Path) -> str:
    """SHA-256 of a file's bytes; many spans of one file read it once (while its size and time stay)."""
    stat = path.stat()
    return _content_hash(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _content_hash(path: Path, _size: int, _modified: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
