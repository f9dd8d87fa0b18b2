"""A few seconds of made-up recordings and pairs in the formats of `retimbre prepare`, for the zoo and the tests.

Three instruments, each a sum of harmonics of its own, play the same short scales; nothing of it is meant to be heard.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

_TIMBRES = {"bell": (1.0, 0.1, 0.6), "horn": (1.0, 0.8, 0.5), "reed": (1.0, 0.05, 0.7)}
_SPLITS = ("train", "train", "validation", "test")
_NOTES = (57, 60, 64, 69)


def write_material(folder: Path, seconds: float = 1.5) -> None:
    """Write `folder`/recordings (48 kHz) and `folder`/paired (44.1 kHz) with their index.json."""
    recordings, pairs = [], []
    for k, (split, midi) in enumerate(zip(_SPLITS, _NOTES, strict=True)):
        files = {}
        for domain, timbre in _TIMBRES.items():
            for split_again in ("train", "validation", "test"):
                name = f"audio/{domain}/{split_again}{midi}.flac"
                signal = _scale((midi,), seconds, 48000, timbre)
                _write(folder / "recordings" / name, signal, 48000)
                level = 20 * np.log10(float(np.sqrt(np.mean(signal**2))))
                recordings.append(
                    {
                        "file": name, "domain": domain, "split": split_again, "source": "made up", "seconds": seconds,
                        "loudness_db": round(level, 1), "gain_db": 0.0, "midi": midi, "licence": "CC0-1.0",
                    }
                )  # fmt: skip
            files[domain] = f"audio/{domain}/pair{k}.flac"
            _write(
                folder / "paired" / files[domain], _scale(_NOTES[k:] + _NOTES[:k], seconds * 2, 44100, timbre), 44100
            )
        pairs.append({"id": f"pair{k}", "split": split, "seconds": seconds * 2, "files": files})
    _index(folder / "recordings", {"format": 1, "sample_rate": 48000, "recordings": recordings})
    _index(folder / "paired", {"format": 1, "sample_rate": 44100, "pairs": pairs})


def _scale(notes: tuple[int, ...], seconds: float, rate: int, timbre: tuple[float, ...]) -> npt.NDArray[np.float32]:
    samples = round(seconds * rate / len(notes))
    time_s = np.arange(samples) / rate
    fade = np.minimum(1.0, np.minimum(time_s, time_s[::-1]) / 0.02) * np.exp(-time_s)
    sound = [
        fade * sum(a * np.sin(2 * np.pi * 440 * 2 ** ((n - 69) / 12) * (h + 1) * time_s) for h, a in enumerate(timbre))
        for n in notes
    ]
    return np.asarray(0.2 * np.concatenate(sound), np.float32)


def _write(path: Path, signal: npt.NDArray[np.float32], rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, signal, rate, subtype="PCM_16")


def _index(folder: Path, index: object) -> None:
    (folder / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
