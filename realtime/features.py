"""What a model's input and output carry: the one definition of spectrum frames, bands and compression. Any thread.

The same dataclasses stand in a package's manifest, in the trainer's configuration and in the live chain, so that what a
network was trained on is what it hears. `realtime.spectrum` computes the frames, `trainer.features` is the torch twin.

    frame m of a stream = the newest n_fft samples after m + 1 hops:   [(m + 1)·hop − n_fft, (m + 1)·hop)
    window              = periodic Hann,  w[i] = ½ − ½·cos(2πi / n_fft)
    magnitude           = |rfft(w · frame)| · scale, then bands, then compression

    compression  none      y = m
                 log1p     y = ln(1 + m)                                       (≥ 0)
                 log_unit  y = 2·ln(1 + m / amin) / ln(1 + 1 / amin) − 1,  amin = 2⁻¹⁶   (−1 at silence, +1 at m = 1)

`scale = unit_scale(n_fft)` makes the peak bin of a full-scale sine 1, hence +1 in log_unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from realtime.errors import ConfigError, PackageError

FloatArray = npt.NDArray[np.float32]
ComplexArray = npt.NDArray[np.complex64]
BandKind = Literal["linear", "mel"]
Compression = Literal["none", "log1p", "log_unit"]

AMIN = 2.0**-16
"""The smallest magnitude that log_unit tells from silence: one step of 16-bit sound (−96 dB)."""
LOG_UNIT_RANGE = math.log1p(1.0 / AMIN)
_MAX_N_FFT = 65536
MAX_EXPONENT = np.float32(80.0)  # float32 overflows at 88: a network gone wild must not warn from the worker thread


@dataclass(frozen=True, slots=True)
class SpectrumFeatures:
    """Compressed magnitudes of spectrum frames: tensors (1, 1, bins, step_frames), float32.

    `bins` linear bins are kept from 0 Hz up (the dropped ones come back as zero), or `bins` mel bands from 0 Hz to half
    the sample rate. Magnitudes are multiplied by `scale` before compression.
    """

    n_fft: int
    hop: int
    bins: int
    bands: BandKind = "linear"
    compression: Compression = "log_unit"
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be framed, rebuilt or compressed."""
        _need_int("n_fft", self.n_fft, 4, _MAX_N_FFT)
        _need(self.n_fft % 2 == 0, f"n_fft is {self.n_fft}, but it must be even: use a power of two such as 1024.")
        _need_int("hop", self.hop, 1, _MAX_N_FFT)
        _need(
            self.n_fft % self.hop == 0 and self.n_fft // self.hop >= 2,
            f"hop is {self.hop}, but it must divide n_fft ({self.n_fft}) at least twice: "
            f"use {self.n_fft // 2} or {self.n_fft // 4}.",
        )
        _need_int("bins", self.bins, 1, self.full_bins)
        _need_choice("bands", self.bands, get_args(BandKind))
        _need_choice("compression", self.compression, get_args(Compression))
        _need_number("scale", self.scale)
        _need(self.scale > 0, f"scale is {self.scale}, but it must be above 0: use 4 / n_fft or 1.")

    @property
    def full_bins(self) -> int:
        """Bins of the whole real spectrum, n_fft / 2 + 1."""
        return self.n_fft // 2 + 1

    @property
    def delay_samples(self) -> int:
        """Samples by which analysis followed by synthesis lags its input: n_fft − hop."""
        return self.n_fft - self.hop


@dataclass(frozen=True, slots=True)
class SamplesFeatures:
    """Plain samples: tensors (1, 1, step_samples), float32."""


@dataclass(frozen=True, slots=True)
class PitchLoudnessFeatures:
    """Pitch (Hz), loudness (dB relative to the player's level) and periodicity (0…1): tensors (1, 3, step_frames).

    One frame each `hop` samples; `delay_samples` says how many samples ago the input was that the model's output
    belongs to. Pitch is sought from `f0_min_hz` to `f0_max_hz`.
    """

    hop: int
    delay_samples: int
    f0_min_hz: float
    f0_max_hz: float

    def __post_init__(self) -> None:
        """Refuse an empty pitch range and impossible sample counts."""
        _need_int("hop", self.hop, 1, _MAX_N_FFT)
        _need_int("delay_samples", self.delay_samples, 0, 1 << 24)
        _need_number("f0_min_hz", self.f0_min_hz)
        _need_number("f0_max_hz", self.f0_max_hz)
        _need(
            0 < self.f0_min_hz < self.f0_max_hz,
            f"the pitch range is {self.f0_min_hz} to {self.f0_max_hz} Hz, but it must rise from above 0: "
            "set f0_min_hz below f0_max_hz.",
        )


Features = SpectrumFeatures | SamplesFeatures | PitchLoudnessFeatures
_KINDS: dict[str, type[SpectrumFeatures | SamplesFeatures | PitchLoudnessFeatures]] = {
    "spectrum": SpectrumFeatures,
    "samples": SamplesFeatures,
    "pitch_loudness": PitchLoudnessFeatures,
}


def to_json(features: Features) -> dict[str, Any]:
    """The manifest's form of `features`: its kind and every field, plain JSON values."""
    kind = next(name for name, cls in _KINDS.items() if type(features) is cls)
    return {"kind": kind, **asdict(features)}


def from_json(data: object, where: str) -> Features:
    """The features that `to_json` wrote; fields with a default may be left out.

    `where` names the place in messages ("input in manifest.json"). Raises PackageError for anything unknown or missing.
    """
    if not isinstance(data, Mapping):
        raise PackageError(f"{where} is {type(data).__name__}, but features are an object with a kind: repair it.")
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise PackageError(f"{where} has the kind {kind!r}, but known kinds are {_listed(_KINDS)}: use one of them.")
    cls = _KINDS[kind]
    known = {field.name: field for field in fields(cls)}
    given = {key: value for key, value in data.items() if key != "kind"}
    unknown = [repr(key) for key in given if key not in known]
    if unknown:
        raise PackageError(f"{where} has {_listed(unknown)}, which {kind} features do not know: remove or update.")
    missing = [name for name, field in known.items() if field.default is MISSING and name not in given]
    if missing:
        raise PackageError(f"{where} lacks {_listed(missing)}, which {kind} features need: add it.")
    try:
        return cls(**given)
    except ConfigError as error:
        raise PackageError(f"In {where}, {error}") from error


def hop_of(features: Features) -> int:
    """Samples per frame: the hop, or 1 for plain samples."""
    return 1 if isinstance(features, SamplesFeatures) else features.hop


def _need(holds: bool, sentence: str) -> None:
    if not holds:
        raise ConfigError(sentence)


def _need_int(name: str, value: object, low: int, high: int) -> None:
    _need(
        type(value) is int and low <= value <= high,
        f"{name} is {value!r}, but it must be a whole number from {low} to {high}: change it.",
    )


def _need_number(name: str, value: object) -> None:
    _need(
        type(value) in (int, float) and math.isfinite(float(str(value))),
        f"{name} is {value!r}, but it must be a finite number: change it.",
    )


def _need_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    _need(value in choices, f"{name} is {value!r}, but it must be one of {_listed(choices)}: use one of them.")


def _listed(names: Mapping[str, Any] | list[str] | tuple[str, ...]) -> str:
    return ", ".join(names)


def unit_scale(n_fft: int) -> float:
    """The scale that makes a full-scale sine's peak bin 1: a Hann window sums to n_fft / 2, a sine has two sides."""
    return 4.0 / n_fft


def window(n_fft: int) -> FloatArray:
    """The periodic Hann window, (n_fft,)."""
    return (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


def synthesis_window(n_fft: int, hop: int) -> FloatArray:
    """The window (n_fft,) under which overlap-add of unchanged frames gives back the signal.

    w[i] / Σₖ w[i mod hop + k·hop]², so that Σ over frames of analysis · synthesis window is 1 at every sample, for any
    hop that divides n_fft at least twice (the Hann's squares add up to a constant only from a third of n_fft down).
    """
    analysis = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)
    power = np.square(analysis).reshape(-1, hop).sum(axis=0)
    synthesis: FloatArray = (analysis / np.tile(power, n_fft // hop)).astype(np.float32)
    return synthesis


def mel_matrix(n_fft: int, sample_rate: float, bands: int) -> FloatArray:
    """Triangles of height 1 spaced evenly on the HTK mel scale from 0 Hz to sample_rate / 2, (bands, n_fft / 2 + 1).

    mel(f) = 2595·log₁₀(1 + f / 700). The same as `librosa.filters.mel(htk=True, norm=None)`.
    """
    edges_mel = np.linspace(0.0, 2595.0 * np.log10(1.0 + sample_rate / 2.0 / 700.0), bands + 2)
    edges_hz = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    bins_hz = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    rising = (bins_hz - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    falling = (edges_hz[2:, None] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    matrix: FloatArray = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    return matrix


class Bands:
    """Folds whole magnitude spectra into a model's bands and back; owns its matrices, safe to share between threads.

    Linear bands are the first `bins` bins and come back with zeros above. Mel bands are weighted sums of magnitudes and
    come back through the pseudo-inverse, negative values clipped to zero. The first axis is bins or bands.
    """

    def __init__(self, features: SpectrumFeatures, sample_rate: float) -> None:
        """Raises ConfigError when a mel band would hold no bin at this sample rate."""
        self.features = features
        self.fold_matrix: FloatArray | None = None
        self.unfold_matrix: FloatArray | None = None
        if features.bands == "mel":
            matrix = mel_matrix(features.n_fft, sample_rate, features.bins)
            empty = int(np.count_nonzero(matrix.max(axis=1) == 0.0))
            _need(
                empty == 0,
                f"{empty} of {features.bins} mel bands are narrower than a bin of n_fft {features.n_fft} at "
                f"{sample_rate:g} Hz, but each must hold one: use fewer bands or a larger n_fft.",
            )
            self.fold_matrix = matrix
            self.unfold_matrix = np.linalg.pinv(matrix.astype(np.float64)).astype(np.float32)

    def fold(self, magnitude: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Whole magnitudes (full_bins, …) to bands (bins, …)."""
        if out is None:
            out = np.empty((self.features.bins, *magnitude.shape[1:]), np.float32)
        if self.fold_matrix is None:
            np.copyto(out, magnitude[: self.features.bins])
        else:
            np.matmul(self.fold_matrix, magnitude, out=out)
        return out

    def unfold(self, bands: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Bands (bins, …) to whole magnitudes (full_bins, …)."""
        if out is None:
            out = np.empty((self.features.full_bins, *bands.shape[1:]), np.float32)
        if self.unfold_matrix is None:
            np.copyto(out[: self.features.bins], bands)
            out[self.features.bins :] = 0.0
        else:
            np.matmul(self.unfold_matrix, bands, out=out)
            np.maximum(out, 0.0, out=out)
        return out


def compress(magnitude: FloatArray, features: SpectrumFeatures, out: FloatArray | None = None) -> FloatArray:
    """Magnitudes ≥ 0 of any shape to what the network sees; `out` may be `magnitude` itself."""
    if out is None:
        out = np.empty_like(magnitude)
    if features.compression == "log_unit":
        np.multiply(magnitude, np.float32(features.scale / AMIN), out=out)
        np.log1p(out, out=out)
        np.multiply(out, np.float32(2.0 / LOG_UNIT_RANGE), out=out)
        return np.subtract(out, np.float32(1.0), out=out)
    np.multiply(magnitude, np.float32(features.scale), out=out)
    return np.log1p(out, out=out) if features.compression == "log1p" else out


def expand(values: FloatArray, features: SpectrumFeatures, out: FloatArray | None = None) -> FloatArray:
    """The inverse of `compress`; what a network puts below silence comes back as zero. `out` may be `values` itself."""
    if out is None:
        out = np.empty_like(values)
    if features.compression == "log_unit":
        np.add(values, np.float32(1.0), out=out)
        np.multiply(out, np.float32(LOG_UNIT_RANGE / 2.0), out=out)
        np.expm1(np.minimum(out, MAX_EXPONENT, out=out), out=out)
        np.multiply(out, np.float32(AMIN / features.scale), out=out)
    elif features.compression == "log1p":
        np.expm1(np.minimum(values, MAX_EXPONENT, out=out), out=out)
        np.multiply(out, np.float32(1.0 / features.scale), out=out)
    else:
        np.multiply(values, np.float32(1.0 / features.scale), out=out)
    return np.maximum(out, np.float32(0.0), out=out)
