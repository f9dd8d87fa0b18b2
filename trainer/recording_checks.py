"""What makes a recording fit for training, and its level: plain numpy, no files.

A refusal is a sentence with the second at which the fault begins, so that whoever recorded it can listen there.
The level is the RMS of the parts that sound: frames of 50 ms, those within 40 dB of the loudest one (and above
-70 dBFS), so that a rest between two phrases does not make the phrases louder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

FULL_SCALE = 0.9995  # 16-bit full scale is 32767/32768 = 0.99997; mp3 decoders land a little beside it
FRAME_SECONDS = 0.05
SOUNDING_RANGE_DB = 40.0
FLOOR_DB = -70.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused. The defaults suit recordings of instruments."""

    lowest_rate: int = 16000
    shortest_seconds: float = 0.25
    silence_db: float = -50.0  # the loudest 50 ms must reach this
    clipped_run: int = 4  # so many samples in a row at full scale are clipping; one peak that touches it is not


def runs(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Starts and lengths of the runs of True in `mask` (samples,)."""
    edges = np.diff(np.concatenate(([0], mask.astype(np.int8), [0])))
    starts = np.flatnonzero(edges == 1)
    return starts, np.flatnonzero(edges == -1) - starts


def frame_levels_db(signal: FloatArray, sample_rate: int) -> FloatArray:
    """RMS in dBFS of each frame of 50 ms of `signal` (samples,); a last part frame counts if it is the only one."""
    size = max(1, round(FRAME_SECONDS * sample_rate))
    if len(signal) < size:
        size = max(1, len(signal))
    frames = signal[: len(signal) // size * size].reshape(-1, size).astype(np.float64)
    power = np.mean(frames**2, axis=1) if frames.size else np.zeros(1)
    return np.asarray(10 * np.log10(power + 1e-20), dtype=np.float32)


def sounding_level_db(signal: FloatArray, sample_rate: int) -> float:
    """Integrated RMS in dBFS of the frames that sound, see the module's docstring; -200 for digital silence."""
    levels = frame_levels_db(signal, sample_rate).astype(np.float64)
    sounding = levels[(levels >= levels.max() - SOUNDING_RANGE_DB) & (levels > FLOOR_DB)]
    if not sounding.size:
        return float(levels.max())
    return float(10 * np.log10(np.mean(10 ** (sounding / 10))))


def problem(samples: FloatArray, sample_rate: int, limits: Limits) -> str | None:
    """The first fault of a recording `samples` (samples, channels), as the end of a sentence; None when it is fit."""
    if sample_rate < limits.lowest_rate:
        return (
            f"is sampled at {sample_rate} Hz and at least {limits.lowest_rate} Hz is needed: record or export it again"
        )
    seconds = len(samples) / sample_rate
    if seconds < limits.shortest_seconds:
        return f"lasts {seconds:.2f} s and at least {limits.shortest_seconds:g} s is needed: leave it out or join takes"
    wrong = np.flatnonzero(~np.isfinite(samples).all(axis=1))
    if wrong.size:
        return f"holds a value that is not a number at {wrong[0] / sample_rate:.2f} s: export it again"
    loudest = max(float(frame_levels_db(samples[:, c], sample_rate).max()) for c in range(samples.shape[1]))
    if loudest < limits.silence_db:
        return (
            f"is silent from 0.00 s to {seconds:.2f} s (its loudest moment is {max(loudest, -200.0):.0f} dBFS, "
            f"{limits.silence_db:.0f} is needed): check the input it was recorded from"
        )
    for channel in range(samples.shape[1]):
        for sign in (1, -1):  # a clipped wave stays on one side
            starts, lengths = runs(sign * samples[:, channel] >= FULL_SCALE)
            clipped = np.flatnonzero(lengths >= limits.clipped_run)
            if clipped.size:
                return (
                    f"is clipped at {starts[clipped[0]] / sample_rate:.2f} s ({clipped.size} places with "
                    f"{limits.clipped_run} samples or more at full scale): record it again at a lower gain"
                )
    return None
