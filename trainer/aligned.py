"""`retimbre prepare aligned`: one performance recorded on two sounds, as pairs to train on.

    PIANO/take1.wav, STRINGS/take1.wav …  ->  OUT/audio/piano/take1.flac …  OUT/index.json

Files of the same name belong together. Both are checked as any recording; then the second is moved so that its attacks
meet those of the first (up to half a second: two devices never start together), and both are cut to the same length.

    lag = argmax of the correlation of the rises of both envelopes, 5 ms apart

A pair whose envelopes do not follow one another is refused: a model would learn to smear. The index is that of
`retimbre prepare paired`. One take alone gives its last part to judge by; of several, one at least.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from realtime.errors import ConfigError, DataError
from trainer.prepare_work import write_json
from trainer.recording_checks import Fault, FloatArray, Limits, refusal, remarks
from trainer.recording_files import SOUND_FILES, read_sound, write_sound
from trainer.recordings import INDEX_FORMAT, Refusal
from trainer.splits import by_hash

PEAK = 10 ** (-1 / 20)
FRAME_SECONDS = 0.005
LARGEST_LAG_SECONDS = 0.5
LEAST_CORRELATION = 0.6  # one performance reaches 0.9, two of the same density by chance 0.45
VALIDATION_PART = 0.15  # of a take that is alone


@dataclass(frozen=True, slots=True)
class Take:
    """One performance: its name, and the file of each sound."""

    name: str
    files: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class PreparedTakes:
    """Index entries and refusals."""

    pairs: tuple[dict[str, Any], ...]
    refusals: tuple[Refusal, ...]


def find_takes(folders: Mapping[str, Path]) -> list[Take]:
    """The takes that both folders hold, by name. Raises ConfigError or DataError."""
    if len(folders) != 2:
        raise ConfigError(f"There are {len(folders)} sounds, but a pair has two: give two times NAME=FOLDER.")
    found: list[dict[str, Path]] = []
    for folder in folders.values():
        if not folder.is_dir():
            raise DataError(f"There is no folder {folder}: give a folder of recordings.")
        files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SOUND_FILES and path.is_file()]
        found.append({path.relative_to(folder).with_suffix("").as_posix(): path for path in files})
    names = sorted(set(found[0]) & set(found[1]))
    if not names:
        raise DataError(
            f"{' and '.join(map(str, folders.values()))} have no file of the same name: give a take the same name in "
            "both folders."
        )
    return [Take(name, dict(zip(folders, (one[name] for one in found), strict=True))) for name in names]


def lag_samples(first: FloatArray, second: FloatArray, sample_rate: int) -> tuple[int, float]:
    """By how many samples `second` (samples,) is late, and the correlation of the envelopes' rises there, -1 to 1."""
    size = round(FRAME_SECONDS * sample_rate)
    count = min(len(first), len(second)) // size
    rises = []
    for signal in (first, second):
        level = np.sqrt(np.mean(signal[: count * size].reshape(count, size).astype(np.float64) ** 2, axis=1))
        rise = np.maximum(0.0, np.diff(np.log(level + 1e-4 * max(float(level.max()), 1e-9)), prepend=0.0))
        rise[0] = 0.0
        smooth = np.convolve(rise, np.hanning(7), "same")
        rises.append(smooth - smooth.mean())
    size_fft = 1 << (2 * count).bit_length()
    product = np.fft.rfft(rises[1], size_fft) * np.conj(np.fft.rfft(rises[0], size_fft))
    correlation = np.fft.irfft(product, size_fft) / (np.linalg.norm(rises[0]) * np.linalg.norm(rises[1]) + 1e-12)
    reach = min(count - 1, round(LARGEST_LAG_SECONDS / FRAME_SECONDS))
    lags = np.arange(-reach, reach + 1)
    best = int(lags[np.argmax(correlation[lags])])
    return best * size, float(correlation[best])


def prepare_takes(
    takes: Sequence[Take],
    out: Path,
    sample_rate: int,
    *,
    seed: int = 0,
    on_file: Callable[[Take, dict[str, Any]], None] = lambda _take, _result: None,
) -> PreparedTakes:
    """Check, align and write every take, and OUT/index.json."""
    pairs: list[dict[str, Any]] = []
    refusals: list[Refusal] = []
    for take in takes:
        result = _prepare(take, sample_rate)
        if "refused" in result:
            refusals.append(Refusal(take.name, result["refused"], tuple(result.get("faults", ()))))
        else:
            split = by_hash(take.name, validation=0.1, test=0.0, seed=seed)
            for pair in _parts(result, len(takes)):
                for name, signal in pair.pop("signals").items():
                    write_sound(out / pair["files"][name], signal, sample_rate, "PCM_24")
                kept = {key: pair[key] for key in ("id", "seconds", "files")}
                pairs.append({**kept, "split": pair.get("split", split)})
        on_file(take, result)
    if len(pairs) > 1 and not any(pair["split"] == "validation" for pair in pairs):
        min(pairs, key=lambda pair: pair["seconds"])["split"] = "validation"
    names = list(takes[0].files) if takes else []
    index = {
        "format": INDEX_FORMAT, "sample_rate": sample_rate,
        "instruments": {name: {"source": "recorded", "licences": []} for name in names}, "pairs": pairs,
    }  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "index.json", index)
    return PreparedTakes(tuple(pairs), tuple(refusals))


def _parts(result: dict[str, Any], takes: int) -> list[dict[str, Any]]:
    """The pair as it is; a take that is alone in two parts, the later to judge by."""
    if takes > 1:
        return [result]
    made = []
    samples = len(next(iter(result["signals"].values())))
    cut = round(samples * (1 - VALIDATION_PART))
    for split, part in (("train", slice(0, cut)), ("validation", slice(cut, None))):
        signals = {name: signal[part] for name, signal in result["signals"].items()}
        length = len(next(iter(signals.values())))
        made.append(
            {
                "id": f"{result['id']}_{split}", "split": split, "signals": signals,
                "seconds": round(result["seconds"] * length / samples, 4),
                "files": {name: file.replace(".flac", f"_{split}.flac") for name, file in result["files"].items()},
            }
        )  # fmt: skip
    return made


def _prepare(take: Take, sample_rate: int) -> dict[str, Any]:
    signals: dict[str, FloatArray] = {}
    faults: list[Fault] = []
    for name, path in take.files.items():
        try:
            samples, rate = read_sound(path)
        except DataError as error:
            return {"refused": f"on {name} {error}"}
        unfit = refusal(samples, rate, Limits())
        if unfit is not None:
            return {"refused": f"on {name} {unfit.reason}", "faults": [unfit], "path": path}
        faults += remarks(samples, rate)
        mono = samples.mean(axis=1)
        signals[name] = mono if rate == sample_rate else soxr.resample(mono, rate, sample_rate, quality="VHQ")
    (one, first), (other, second) = signals.items()
    lag, likeness = lag_samples(first, second, sample_rate)
    if likeness < LEAST_CORRELATION:
        return {
            "refused": f"is not the same performance on {one} and {other} (their attacks agree by {100 * likeness:.0f} "
            f"%, {100 * LEAST_CORRELATION:.0f} % are needed): record both from the same playing"
        }
    first, second = first[max(0, -lag) :], second[max(0, lag) :]
    length = min(len(first), len(second))
    gain = min(1.0, *(PEAK / max(float(np.abs(signal).max()), 1e-9) for signal in (first, second)))
    name = take.name.replace("/", "_")
    return {
        "id": name, "seconds": round(length / sample_rate, 4),
        "files": {sound: f"audio/{sound}/{name}.flac" for sound in signals},
        "signals": {
            sound: np.asarray(signal[:length] * gain, np.float32) for sound, signal in ((one, first), (other, second))
        },
        "faults": faults, "lag_seconds": lag / sample_rate,
    }  # fmt: skip
