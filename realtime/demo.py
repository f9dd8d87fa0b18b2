"""What `retimbre demo` measures on one clip: speed, latency by part, and how much of the pitch survived.

Pitch is measured by the project's own tracker on input and output, so the demo needs no torch. Runs on the caller's
thread; nothing here is live.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.controls import Controls
from realtime.errors import AudioFileError
from realtime.features import PitchLoudnessFeatures
from realtime.package import Package
from realtime.pitch import PitchLoudnessTracker

FloatArray = NDArray[np.float32]

EXAMPLES = Path(__file__).resolve().parent / "examples"
_SUFFIXES = {".flac", ".wav", ".ogg", ".mp3", ".aiff"}
# The tracker's frames: 256 samples at 44.1 kHz are 6 ms; the range is that of the instruments of a band.
_TRACKER_HOP, _F0_MIN_HZ, _F0_MAX_HZ = 256, 60.0, 2000.0
_QUIET_DB = -45.0
_SURE = 0.9  # periodicity above which a frame of the input has a pitch to keep
_TOLERANCE_CENTS = 50.0
_ATTACK_FRAMES = 8  # a converted attack may settle this many frames earlier or later


@dataclass(frozen=True, slots=True)
class Measured:
    """One clip through one target: the sound and what it took. `pitch_kept` is None where no frame had a pitch."""

    target: str
    output: FloatArray
    seconds: float
    times_real_time: float
    pitch_kept: float | None
    octaves: int


def example_clips() -> list[Path]:
    """Return the clips that come with the project. Raises AudioFileError where there are none."""
    clips = sorted(path for path in EXAMPLES.glob("**/*") if path.suffix in _SUFFIXES) if EXAMPLES.is_dir() else []
    if not clips:
        raise AudioFileError("No example came with this installation: name a sound file, `retimbre demo FILE`.")
    return clips


def convert_and_measure(signal: FloatArray, sample_rate: int, package: Package, targets: list[str]) -> list[Measured]:
    """Convert `signal` (samples,) or (channels, samples) to each of the package's `targets`; [""] where it has none."""
    from realtime.convert import convert_signal

    names = [target.name for target in package.manifest.targets]
    # Compiled code and the model are loaded by a short trial, so that the clock sees the work alone.
    convert_signal(signal[..., : sample_rate // 4], sample_rate, package, Controls())
    results = []
    for target in targets:
        weights = tuple(float(name == target) for name in names) if names else None
        start = time.perf_counter()
        output = convert_signal(signal, sample_rate, package, Controls(target=weights))
        took = time.perf_counter() - start
        seconds = signal.shape[-1] / sample_rate
        kept, octaves = pitch_kept(_mono(signal), _mono(output), sample_rate)
        results.append(Measured(target, output, seconds, seconds / took, kept, octaves))
    return results


def pitch_kept(before: FloatArray, after: FloatArray, sample_rate: int) -> tuple[float | None, int]:
    """Return the part of voiced frames of `before` that sound the same note in `after`, and the octaves between them.

    before, after: (samples,), aligned. The same note is within 50 cents after the one whole number of octaves that the
    clip as a whole was moved by; a single frame an octave off is wrong. A frame that has lost its pitch is wrong too.
    """
    f0, loudness, periodicity = _track(before, sample_rate)
    heard, _, heard_periodicity = _track(after, sample_rate)
    voiced = (loudness > _QUIET_DB) & (periodicity > _SURE) & _steady(f0)
    if not voiced.any():
        return None, 0
    cents = 1200.0 * np.log2(heard / f0)
    sounding = voiced & (heard_periodicity > 0.5)
    octaves = round(float(np.median(cents[sounding])) / 1200.0) if sounding.any() else 0
    right = sounding & (np.abs(cents - 1200.0 * octaves) <= _TOLERANCE_CENTS)
    return float(right.sum() / voiced.sum()), octaves


def _track(signal: FloatArray, sample_rate: int) -> FloatArray:
    # The tracker wants hops that its decimation to about 12 kHz divides.
    factor = max(1, sample_rate // 12_000)
    hop = -(-_TRACKER_HOP // factor) * factor
    features = PitchLoudnessFeatures(hop, 0, _F0_MIN_HZ, _F0_MAX_HZ)
    return PitchLoudnessTracker(sample_rate, features).track(np.ascontiguousarray(signal, np.float32))


def _steady(f0: FloatArray) -> NDArray[np.bool_]:
    """Frames in the middle of a note: the pitch was the same within a semitone `_ATTACK_FRAMES` before and after."""
    cents = 1200.0 * np.log2(f0)
    padded = np.pad(cents, _ATTACK_FRAMES, constant_values=np.inf)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _ATTACK_FRAMES + 1)
    spread: NDArray[np.bool_] = np.abs(around - cents[:, None]).max(axis=1) < 100.0
    return spread


def _mono(signal: FloatArray) -> FloatArray:
    return signal if signal.ndim == 1 else signal.mean(axis=0)
