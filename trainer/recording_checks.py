"""What makes a recording fit for training, and its level: plain numpy, no files.

A refusal is a sentence with the second at which the fault begins, so that whoever recorded it can listen there; every
place of it is a span, to be marked on the waveform. Some faults are only told: what has them can still be learnt from.
The level is the RMS of the parts that sound: frames of 50 ms, those within 40 dB of the loudest one (and above
-70 dBFS), so that a rest between two phrases does not make the phrases louder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

FULL_SCALE = 0.9995  # 16-bit full scale is 32767/32768 = 0.99997; mp3 decoders land a little beside it
FRAME_SECONDS = 0.05
SOUNDING_RANGE_DB = 40.0
FLOOR_DB = -70.0
MOST_SPANS = 200  # a recording that is clipped everywhere needs no thousand marks
_GAP_SECONDS = 0.05  # spans nearer than this are one mark
_PAUSE_SECONDS = 3.0  # silence as long as this is told
_HUM_SECONDS = 0.5
_HUM_WINDOWS = 60  # an hour's recording is listened to here and there


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused. The defaults suit recordings of instruments."""

    lowest_rate: int = 16000
    shortest_seconds: float = 0.25
    silence_db: float = -50.0  # the loudest 50 ms must reach this
    clipped_run: int = 4  # so many samples in a row at full scale are clipping; one peak that touches it is not


FaultKind = Literal["rate", "short", "damaged", "silent", "clipped", "pause", "offset", "hum"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: the end of a sentence that begins with the recording's name, and where it is, in seconds."""

    kind: FaultKind
    reason: str
    spans: tuple[tuple[float, float], ...]
    refuses: bool = True


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
    """The first fault that makes `samples` (samples, channels) unfit, as the end of a sentence; None when it is fit."""
    fault = refusal(samples, sample_rate, limits)
    return None if fault is None else fault.reason


def refusal(samples: FloatArray, sample_rate: int, limits: Limits) -> Fault | None:
    """The first fault that makes a recording `samples` (samples, channels) unfit, with every place of it."""
    seconds = len(samples) / sample_rate
    whole = ((0.0, seconds),)
    if sample_rate < limits.lowest_rate:
        return Fault(
            "rate",
            f"is sampled at {sample_rate} Hz and at least {limits.lowest_rate} Hz is needed: record or export it again",
            whole,
        )
    if seconds < limits.shortest_seconds:
        return Fault(
            "short",
            f"lasts {seconds:.2f} s and at least {limits.shortest_seconds:g} s is needed: leave it out or join takes",
            whole,
        )
    broken = np.atleast_1d(~np.isfinite(samples).all(axis=1))
    if broken.any():
        spans = _spans(*runs(broken), sample_rate)
        return Fault("damaged", f"holds a value that is not a number at {spans[0][0]:.2f} s: export it again", spans)
    loudest = max(float(frame_levels_db(samples[:, c], sample_rate).max()) for c in range(samples.shape[1]))
    if loudest < limits.silence_db:
        return Fault(
            "silent",
            f"is silent from 0.00 s to {seconds:.2f} s (its loudest moment is {max(loudest, -200.0):.0f} dBFS, "
            f"{limits.silence_db:.0f} is needed): check the input it was recorded from",
            whole,
        )
    return _clipping(samples, sample_rate, limits)


def remarks(samples: FloatArray, sample_rate: int) -> list[Fault]:
    """What a person should know of a fit recording `samples` (samples, channels): pauses, an offset, mains hum."""
    mono = samples.mean(axis=1)
    found = []
    levels = frame_levels_db(mono, sample_rate)
    starts, lengths = runs(levels < FLOOR_DB)
    long = lengths * FRAME_SECONDS >= _PAUSE_SECONDS
    if long.any():
        spans = tuple(
            (float(a * FRAME_SECONDS), float((a + n) * FRAME_SECONDS))
            for a, n in zip(starts[long], lengths[long], strict=True)
        )[:MOST_SPANS]
        total = sum(end - start for start, end in spans)
        found.append(
            Fault("pause", f"is silent for {total:.0f} s, first at {spans[0][0]:.1f} s: nothing is learnt there", spans,
                  refuses=False)
        )  # fmt: skip
    offset = float(mono.mean())
    if abs(offset) > 0.02:
        found.append(
            Fault("offset", f"sits {100 * offset:+.0f} % off the zero line: switch on the input's high-pass filter",
                  ((0.0, len(mono) / sample_rate),), refuses=False)
        )  # fmt: skip
    hum = mains_hum(mono, sample_rate)
    return found if hum is None else [*found, hum]


def mains_hum(signal: FloatArray, sample_rate: int) -> Fault | None:
    """Hum of 50 or 60 Hz in `signal` (samples,): lines at the mains' harmonics that stay when the playing rests.

    The quietest tenth of half-second windows is listened to. Hum is three of the first six harmonics each 15 dB above
    the bins around it there and no quieter than 6 dB below its level in the whole: a played note ends, hum does not.
    """
    size = round(_HUM_SECONDS * sample_rate)
    count = len(signal) // size
    if count < 4:
        return None
    frames = signal[: count * size].reshape(count, size)
    order = np.argsort(np.einsum("ij,ij->i", frames, frames))
    chosen = np.sort(order[: min(_HUM_WINDOWS, max(2, count // 10))])
    spread = np.unique(np.linspace(0, count - 1, min(_HUM_WINDOWS, count)).round().astype(int))
    quiet, all_of_it = (_power(frames[rows], join) for rows, join in ((chosen, np.mean), (spread, np.median)))
    for mains_hz in (50, 60):
        lines, level = 0, 0.0
        for harmonic in range(1, 7):
            at = round(harmonic * mains_hz * _HUM_SECONDS)
            around = np.r_[quiet[at - 9 : at - 3], quiet[at + 4 : at + 10]]
            line = quiet[at - 1 : at + 2].max()
            if line > 31.6 * np.median(around) + 1e-11 and line > 0.25 * all_of_it[at - 1 : at + 2].max():
                lines, level = lines + 1, level + line / 2
        if lines >= 3:
            spans = _spans(chosen * size, np.full(len(chosen), size), sample_rate)
            reason = (
                f"has a hum of {mains_hz} Hz at {10 * np.log10(level):.0f} dBFS, clearest at {spans[0][0]:.1f} s: try "
                "another cable or outlet; the model would learn it"
            )
            return Fault("hum", reason, spans, refuses=False)
    return None


def _power(frames: FloatArray, join: Callable[..., Any]) -> npt.NDArray[np.float64]:
    """Power per bin of windows (windows, samples), joined over the windows; a sine of amplitude 1 has 1."""
    window = np.hanning(frames.shape[1])
    spectra = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2 / (window.sum() / 2) ** 2
    return np.asarray(join(spectra, axis=0))


def _clipping(samples: FloatArray, sample_rate: int, limits: Limits) -> Fault | None:
    for channel in range(samples.shape[1]):
        for sign in (1, -1):  # a clipped wave stays on one side
            starts, lengths = runs(sign * samples[:, channel] >= FULL_SCALE)
            clipped = np.flatnonzero(lengths >= limits.clipped_run)
            if clipped.size:
                return Fault(
                    "clipped",
                    f"is clipped at {starts[clipped[0]] / sample_rate:.2f} s ({clipped.size} places with "
                    f"{limits.clipped_run} samples or more at full scale): record it again at a lower gain",
                    _spans(starts[clipped], lengths[clipped], sample_rate),
                )
    return None


def _spans(
    starts: npt.NDArray[np.intp], lengths: npt.NDArray[np.intp], sample_rate: int
) -> tuple[tuple[float, float], ...]:
    """Runs of samples as spans in seconds, those near to each other joined."""
    joined: list[list[float]] = []
    for start, length in zip(starts / sample_rate, lengths / sample_rate, strict=True):
        if joined and start - joined[-1][1] < _GAP_SECONDS:
            joined[-1][1] = float(start + length)
        else:
            joined.append([float(start), float(start + length)])
    return tuple((start, end) for start, end in joined[:MOST_SPANS])
