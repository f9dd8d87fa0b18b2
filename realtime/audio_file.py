"""Sound files in and out: wav, flac, ogg, mp3, aiff. Channels first in memory; written beside, then put in place.

A file that is missing, empty, cut short, or no sound gets one sentence. Any thread; never the audio thread.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.errors import AudioFileError

FloatArray = NDArray[np.float32]

# suffix: (libsndfile's format, subtype when the source says nothing)
FORMATS: dict[str, tuple[str, str]] = {
    "wav": ("WAV", "PCM_24"),
    "flac": ("FLAC", "PCM_24"),
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_24"),
}
SUFFIXES: dict[str, str] = {**{f".{name}": name for name in FORMATS}, ".aif": "aiff", ".aifc": "aiff", ".oga": "ogg"}
_KEPT_SUBTYPES = frozenset({"PCM_16", "PCM_24", "FLOAT"})  # what the output takes over from its source where it can
_FLOAT_SUBTYPES = frozenset({"FLOAT", "DOUBLE"})
_OGG_LARGEST_PAGE = 27 + 255 + 255 * 255
_FULL_BYTES = 1 << 20
_PIECE_FRAMES = 1 << 20  # libvorbis overruns its stack on one huge write


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A sound in memory: `signal` (channels, samples) float32, full scale 1; `subtype` is libsndfile's word."""

    signal: FloatArray
    sample_rate: int
    subtype: str | None = None

    @property
    def seconds(self) -> float:
        """Duration."""
        return float(self.signal.shape[1] / self.sample_rate)


def read_audio(path: Path | str) -> AudioFile:
    """The whole file. Raises `AudioFileError` when it is missing, unreadable, cut short, empty, or holds no numbers."""
    import soundfile  # not needed by `--help`

    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise AudioFileError(f"{path} {what}, but a sound file was expected; check the name.")
    if path.stat().st_size == 0:
        raise AudioFileError(f"{path} is empty (0 bytes), but a sound file was expected; copy it again.")
    _refuse_cut_short(path)
    try:
        with soundfile.SoundFile(str(path)) as file:
            promised, rate, subtype = file.frames, int(file.samplerate), str(file.subtype)
            data = file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        raise AudioFileError(
            f"{path} cannot be read as sound ({_reason(error, path)}); wav, flac, ogg, mp3 and aiff are understood."
        ) from error
    if len(data) == 0:
        raise AudioFileError(f"{path} holds no samples, but at least one was expected; record or export it again.")
    # Without a count in its first frame an mp3's length is an estimate; with it, an encoder's delay may be missing.
    least = promised if subtype != "MPEG_LAYER_III" else 0.98 * promised if _mp3_counts_frames(path) else 0
    if len(data) < least:
        raise AudioFileError(
            f"{path} is cut short: it promises {promised} samples and holds {len(data)}; copy or export it again."
        )
    if not np.isfinite(data).all():
        at = int(np.argmin(np.isfinite(data).all(axis=1))) / rate
        raise AudioFileError(f"{path} holds values that are not finite numbers at {at:.2f} s; export it again.")
    return AudioFile(np.ascontiguousarray(data.T), rate, subtype)


def write_audio(
    path: Path | str, signal: FloatArray, sample_rate: int, *, subtype: str | None = None, overwrite: bool = True
) -> float:
    """Write `signal` (samples,) or (channels, samples); the suffix says the format; nothing half-written is ever there.

    subtype: the source's, kept where the format can. Returns by how many dB the sound was turned down so that it does
    not clip (0 mostly; float files are never turned down). Raises `AudioFileError`.
    """
    import soundfile  # not needed by `--help`

    path = Path(path)
    name = SUFFIXES.get(path.suffix.lower())
    if name is None:
        raise AudioFileError(f"{path} ends in {path.suffix!r}, but it must end in {', '.join(FORMATS)}; rename it.")
    kind, usual = FORMATS[name]
    chosen = subtype if subtype in _KEPT_SUBTYPES and soundfile.check_format(kind, subtype) else usual
    channels = np.atleast_2d(signal)
    turned_down_db = 0.0
    peak = float(np.abs(channels).max(initial=0.0))
    # One step of 24 bits under full scale; lossy coders overshoot and need room.
    ceiling = 1.0 - 2.0**-23 if kind not in {"OGG", "MP3"} else 0.966
    if peak > ceiling and chosen not in _FLOAT_SUBTYPES:
        channels = channels * np.float32(ceiling / peak)
        turned_down_db = 20.0 * float(np.log10(peak / ceiling))
    partial = path.with_name(f".{path.stem}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(soundfile, partial, channels, sample_rate, kind, chosen)
        if path.exists() and not overwrite:
            raise AudioFileError(f"{path} exists already; choose another name, or allow it with --overwrite.")
        partial.replace(path)
    except (soundfile.SoundFileError, OSError, RuntimeError, ValueError) as error:
        raise AudioFileError(
            f"{path} cannot be written at {sample_rate} Hz with {len(channels)} channels ({_reason(error, partial)}); "
            "check the folder, the free space and the format."
        ) from error
    finally:
        with contextlib.suppress(OSError):  # there is none when all went well, or when its folder is not one
            partial.unlink()
    return turned_down_db


def _write(soundfile: Any, path: Path, channels: FloatArray, sample_rate: int, kind: str, subtype: str) -> None:
    with soundfile.SoundFile(
        str(path), "w", samplerate=sample_rate, channels=len(channels), format=kind, subtype=subtype
    ) as file:
        for start in range(0, channels.shape[1], _PIECE_FRAMES):
            file.write(np.ascontiguousarray(channels[:, start : start + _PIECE_FRAMES].T))


def _refuse_cut_short(path: Path) -> None:
    """Ask a RIFF or AIFF for its length and an Ogg for its last page: libsndfile quietly reads what there is."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(max(0, size - _OGG_LARGEST_PAGE))
        tail = file.read()
    if head[:4] == b"OggS":
        page = tail[tail.rfind(b"OggS") :]
        # 27 bytes of header, the last of them the number of segments, then a length per segment, then the segments.
        if len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]):
            raise AudioFileError(f"{path} is cut short in the middle of a page; copy or export it again.")
    if len(head) < 12 or head[:4] not in {b"RIFF", b"FORM"} or head[8:] not in {b"WAVE", b"AIFF", b"AIFC"}:
        return
    promised = 8 + int.from_bytes(head[4:8], "little" if head[:4] == b"RIFF" else "big")
    # A program that streams does not know the length yet and writes the largest there is, or none.
    if size + 1 < promised < 0x7FFFFFF0:
        raise AudioFileError(
            f"{path} is cut short: it promises {promised} bytes and holds {size}; copy or export it again."
        )


def _mp3_counts_frames(path: Path) -> bool:
    """Whether the first frame holds a Xing or Info header, which counts the frames."""
    with path.open("rb") as file:
        head = file.read(10)
        # An ID3v2 tag comes before; its length is four times seven bits.
        skipped = 10 + sum((head[6 + k] & 0x7F) << (21 - 7 * k) for k in range(4)) if head[:3] == b"ID3" else 0
        file.seek(skipped)
        frame = file.read(4096)
    return b"Xing" in frame or b"Info" in frame


def _reason(error: Exception, path: Path) -> str:
    """The system's words without its own repetition of the path, and without the full stop."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = text.replace(f"Error opening {str(path)!r}: ", "").removeprefix("Error : ").strip().rstrip(".")
    # libsndfile knows only that the system refused.
    if text == "System error" and path.parent.is_dir() and shutil.disk_usage(path.parent).free < _FULL_BYTES:
        return "no space left on the disk"
    return text or type(error).__name__
