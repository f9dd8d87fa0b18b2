"""Pictures of sound that systems on unpaired recordings learn from: STFT, mel and constant-Q magnitudes in log_unit.

    signals (batch, samples) ─▶ `trainer.representations` ─▶ (batch, 1, bins, frames), −1 silence … +1 a full-scale sine

Live, an STFT or mel picture is what the engine computes by itself. A constant-Q picture is made inside the exported
graph from the frames of one STFT (the pseudo-CQT of librosa): band k reads the bins around f_k under the shape that its
own Hann window of N_k samples would give a sine, or n_fft's where N_k is longer: below Q · rate / n_fft Hz neighbours
are told apart less well than in training. `BandsInside` is that graph.

    x linear log_unit ─▶ expand ─▶ fold ─▶ compress ─▶ network in its window ─▶ expand ─▶ unfold ─▶ compress ─▶ y
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from realtime.features import (
    AMIN,
    LOG_UNIT_RANGE,
    MAX_EXPONENT,
    Bands,
    SpectrumFeatures,
    unit_scale,
)
from trainer import features as twin
from trainer.config import setting
from trainer.cqt import C1_HZ
from trainer.representations import Representation, Transform, TransformKind
from trainer.spectral_play import play
from trainer.streaming import WindowWrapper

FloatArray = npt.NDArray[np.float32]
SILENCE = -1.0  # log_unit of no sound
_INVERSE_FLOOR = 1e-2  # smallest singular value of the constant-Q bands that is inverted, as a part of the largest
UNIT = SpectrumFeatures(4, 2, 2, "linear", "log_unit", 1.0)  # compresses magnitudes that are 1 for a full-scale sine


@dataclass(frozen=True, slots=True)
class PictureModel:
    """`[model]`: what a picture is."""

    representation: TransformKind = setting("stft", "linear bins, mel bands or constant-Q bins")
    sample_rate: int = setting(25_000, "Hz; recordings are resampled to it", minimum=1000)
    n_fft: int = setting(512, "samples of a spectrogram frame (cqt: of the live one)", minimum=16)
    hop: int = setting(128, "samples between frames", minimum=8)
    bins: int = setting(256, "bins or bands of the picture", minimum=4)
    bins_per_octave: int = setting(120, "cqt alone: 12 is a semitone", minimum=1)
    frames: int = setting(256, "frames of the picture", minimum=2)


class Pictures:
    """Makes pictures of one kind on any device, and plays what a network makes of them."""

    def __init__(self, model: PictureModel) -> None:
        """Raises ConfigError when the settings contradict each other."""
        self.model = model
        self._is_cqt = model.representation == "cqt"
        self.features = SpectrumFeatures(
            model.n_fft,
            model.hop,
            model.n_fft // 2 + 1 if self._is_cqt else model.bins,
            "mel" if model.representation == "mel" else "linear",
            "log_unit",
            unit_scale(model.n_fft),
        )
        """What the exported package hears and gives."""
        self._bands = Bands(self.features, model.sample_rate)
        self._transform = Transform(
            Representation(
                model.representation,
                model.sample_rate,
                model.hop,
                model.bins,
                0 if self._is_cqt else model.n_fft,
                bins_per_octave=model.bins_per_octave,
            )
        )
        # Frames that would hear the silence before the slice; a constant-Q transform's are centred, and begin at once.
        self._first = 0 if self._is_cqt else model.n_fft // model.hop - 1
        self.samples = model.frames * model.hop if self._is_cqt else (model.frames - 1) * model.hop + model.n_fft
        """Length of a slice that fills one picture."""

    @torch.no_grad()
    def of(self, signals: Tensor) -> Tensor:
        """Slices (batch, `samples`) → log_unit (batch, 1, bins, frames), on their device and in float32."""
        with torch.autocast(signals.device.type, enabled=False):
            values = self._transform.to(signals.device)(signals.float()).values
        return cast("Tensor", values[..., self._first : self._first + self.model.frames])

    def streaming(self, network: nn.Module, *, window: int, step: int, lookahead: int) -> nn.Module:
        """The network in its window, hearing and giving `features`; has `initial_state()` and `offline`."""
        wrapper = WindowWrapper(
            network, bins=self.model.bins, window=window, step=step, lookahead=lookahead, silence=SILENCE
        )
        if not self._is_cqt:
            return wrapper
        return BandsInside(wrapper, self.features, *self._live_bands).to(next(network.parameters()).device)

    @functools.cached_property
    def _live_bands(self) -> tuple[FloatArray, FloatArray]:
        fold = constant_q_bands(self.model)
        return fold, np.linalg.pinv(fold.astype(np.float64), rcond=_INVERSE_FLOOR).astype(np.float32)

    def play(self, signal: FloatArray, module: nn.Module, phase: Literal["input", "gradient"]) -> FloatArray:
        """A whole signal (samples,) at the model's rate → the same length, aligned, as the package would play it."""
        device = next(module.parameters()).device
        return play(signal, self.features, phase, cast("Any", module).offline, device, self._bands)


class BandsInside(nn.Module):
    """A streamable module on linear frames around one on other bands: see the module's picture."""

    fold: Tensor
    unfold: Tensor

    def __init__(self, inner: WindowWrapper, features: SpectrumFeatures, fold: FloatArray, unfold: FloatArray) -> None:
        super().__init__()
        self.inner, self.features = inner, features
        self.register_buffer("fold", torch.from_numpy(fold), persistent=False)
        self.register_buffer("unfold", torch.from_numpy(unfold), persistent=False)

    def initial_state(self) -> Tensor:
        """The inner window's."""
        return self.inner.initial_state()

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(1, 1, linear bins, n·step) and the window before → the same, late by the look-ahead, and next state."""
        y, after = self.inner(self._in(x), state)
        return self._out(y), after

    def offline(self, x: Tensor) -> Tensor:
        """The window rule on a whole clip (1, 1, linear bins, frames)."""
        return self._out(self.inner.offline(self._in(x)))

    def _in(self, x: Tensor) -> Tensor:
        magnitude = _expand(x, self.features) * self.features.scale
        return twin.compress(self.fold @ magnitude, UNIT)

    def _out(self, y: Tensor) -> Tensor:
        magnitude = (self.unfold @ _expand(y, UNIT)).clamp(min=0.0)
        return twin.compress(magnitude / self.features.scale, self.features)


def _expand(values: Tensor, features: SpectrumFeatures) -> Tensor:
    """`trainer.features.expand` of log_unit without expm1, which ONNX does not have; the same down to 2⁻¹⁶ · 1e-7."""
    exponent = ((values + 1.0) * (LOG_UNIT_RANGE / 2.0)).clamp(max=float(MAX_EXPONENT))
    return ((torch.exp(exponent) - 1.0) * (AMIN / features.scale)).clamp(min=0.0)


def constant_q_bands(model: PictureModel) -> FloatArray:
    """(bins, n_fft / 2 + 1): what constant-Q band k reads of magnitudes that are 1 for a full-scale sine.

    A sine on f_k gives 1; one beside it what a Hann window of min(N_k, n_fft) samples gives, so that a band as wide as
    several bins hears all of them.
    """
    ratio = 2.0 ** (2.0 / model.bins_per_octave)
    quality = (ratio + 1) / (ratio - 1)
    centres_hz = C1_HZ * 2.0 ** (np.arange(model.bins) / model.bins_per_octave)
    if centres_hz[-1] >= model.sample_rate / 2:
        raise ConfigError(
            f"The highest of {model.bins} constant-Q bins lies at {centres_hz[-1]:.0f} Hz, but {model.sample_rate} Hz "
            f"carry {model.sample_rate / 2:.0f}: use fewer bins or a higher rate"
        )
    bins_hz = np.arange(model.n_fft // 2 + 1) * (model.sample_rate / model.n_fft)
    seconds = np.minimum(quality / centres_hz, model.n_fft / model.sample_rate)[:, None]
    shape = _hann_response((bins_hz[None, :] - centres_hz[:, None]) * seconds)
    # What a sine on f_k puts into the bins around it, weighted by the band's own shape, must be 1.
    heard = _hann_response((bins_hz[None, :] - centres_hz[:, None]) * (model.n_fft / model.sample_rate))
    bands: FloatArray = (shape / np.sum(shape * heard, axis=1, keepdims=True)).astype(np.float32)
    return bands


def _hann_response(cycles: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """|spectrum| of a Hann window, 1 at 0 and 0 from the second side of its main lobe on, by cycles per window."""
    inside = np.abs(cycles) < 2.0
    safe = np.where(np.isclose(np.abs(cycles), 1.0), 1.0 + 1e-6, cycles)
    response: npt.NDArray[np.float64] = np.where(inside, np.abs(np.sinc(safe) / (1.0 - safe**2)), 0.0)
    return response
