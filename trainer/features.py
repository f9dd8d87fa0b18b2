"""The torch twin of `realtime.features` and `realtime.spectrum`: the same numbers, differentiable.

    realtime.spectrum.analyse(x, f)  =  analyse(x, f)         realtime.features.compress(m, f)  =  compress(m, f)
    realtime.spectrum.synthesise     =  synthesise            features.Bands                    =  TorchBands

held to float precision by tests. Beside them the log-mel spectrum of losses and evaluation, its frames centred.
Every function takes any leading axes and stays on the device and in the type of its argument.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime import features as contract
from realtime.errors import ConfigError
from realtime.features import AMIN, SpectrumFeatures

_LOG_UNIT_RANGE = contract.LOG_UNIT_RANGE
_MAX_EXPONENT = float(contract.MAX_EXPONENT)


def analyse(signal: Tensor, features: SpectrumFeatures, *, flush: bool = False) -> Tensor:
    """Signals (…, samples) to complex spectra (…, full_bins, frames), frames = ⌈samples / hop⌉, causal framing.

    `flush` adds n_fft / hop − 1 frames of silence, so that `synthesise(…, aligned=True)` reaches the last sample.
    """
    n_fft, hop = features.n_fft, features.hop
    samples = signal.shape[-1]
    count = -(-samples // hop) + (n_fft // hop - 1 if flush else 0)
    padded = functional.pad(signal, (features.delay_samples, count * hop - samples))
    frames = padded.unfold(-1, n_fft, hop) * _window(n_fft, signal.device, signal.dtype)
    spectrum: Tensor = torch.fft.rfft(frames)
    return spectrum.transpose(-1, -2)


def magnitudes(spectrum: Tensor, floor: float = 1e-7) -> Tensor:
    """|spectrum| with a finite gradient at zero: √(re² + im² + floor²)."""
    return torch.sqrt(torch.view_as_real(spectrum).square().sum(-1) + floor * floor)


def synthesise(
    spectrum: Tensor, features: SpectrumFeatures, *, aligned: bool = False, samples: int | None = None
) -> Tensor:
    """Complex spectra (…, full_bins, frames) to signals (…, frames · hop), late by n_fft − hop unless `aligned`.

    `samples` cuts the result, or fills it with zeros, to that length.
    """
    n_fft, hop = features.n_fft, features.hop
    if spectrum.shape[-2] != features.full_bins:
        raise ConfigError(
            f"A spectrum has {spectrum.shape[-2]} bins, but synthesis takes {features.full_bins}: unfold the bands."
        )
    frames = torch.fft.irfft(spectrum.transpose(-1, -2), n_fft)
    frames = frames * _synthesis_window(n_fft, hop, frames.device, frames.dtype)
    count = frames.shape[-2]
    folded = functional.fold(
        frames.reshape(-1, count, n_fft).transpose(-1, -2),
        output_size=(1, count * hop + n_fft - hop),
        kernel_size=(1, n_fft),
        stride=(1, hop),
    )
    signal = folded.reshape(*spectrum.shape[:-2], -1)[..., : count * hop]
    if aligned:
        signal = signal[..., features.delay_samples :]
    if samples is None:
        return signal
    return functional.pad(signal[..., :samples], (0, max(0, samples - signal.shape[-1])))


def compress(magnitude: Tensor, features: SpectrumFeatures) -> Tensor:
    """Magnitudes ≥ 0 of any shape to what the network sees."""
    if features.compression == "log_unit":
        return torch.log1p(magnitude * (features.scale / AMIN)) * (2.0 / _LOG_UNIT_RANGE) - 1.0
    scaled = magnitude * features.scale
    return torch.log1p(scaled) if features.compression == "log1p" else scaled


def expand(values: Tensor, features: SpectrumFeatures) -> Tensor:
    """The inverse of `compress`; what a network puts below silence comes back as zero."""
    if features.compression == "log_unit":
        exponent = ((values + 1.0) * (_LOG_UNIT_RANGE / 2.0)).clamp(max=_MAX_EXPONENT)
        magnitude = torch.expm1(exponent) * (AMIN / features.scale)
    elif features.compression == "log1p":
        magnitude = torch.expm1(values.clamp(max=_MAX_EXPONENT)) / features.scale
    else:
        magnitude = values / features.scale
    return magnitude.clamp(min=0.0)


class TorchBands(nn.Module):
    """`realtime.features.Bands` on tensors (…, bins, frames); its matrices move with the module, and are not saved."""

    matrix: Tensor | None
    inverse: Tensor | None

    def __init__(self, features: SpectrumFeatures, sample_rate: float) -> None:
        """Raises ConfigError when a mel band would hold no bin at this sample rate."""
        super().__init__()
        self.features = features
        bands = contract.Bands(features, sample_rate)
        for name, matrix in (("matrix", bands.fold_matrix), ("inverse", bands.unfold_matrix)):
            self.register_buffer(name, None if matrix is None else torch.from_numpy(matrix), persistent=False)

    def fold(self, magnitude: Tensor) -> Tensor:
        """Whole magnitudes (…, full_bins, frames) to bands (…, bins, frames)."""
        return magnitude[..., : self.features.bins, :] if self.matrix is None else self.matrix @ magnitude

    def unfold(self, bands: Tensor) -> Tensor:
        """Bands (…, bins, frames) to whole magnitudes (…, full_bins, frames)."""
        if self.inverse is None:
            return functional.pad(bands, (0, 0, 0, self.features.full_bins - self.features.bins))
        return (self.inverse @ bands).clamp(min=0.0)


def log_mel(
    signal: Tensor, sample_rate: int, *, n_fft: int = 2048, hop: int = 512, bands: int = 128, floor: float = 1e-5
) -> Tensor:
    """Signals (…, samples) to ln of mel magnitudes (…, bands, frames), frames = ⌊samples / hop⌋ + 1, for losses.

    Frames are centred on multiples of hop, zeros beyond the ends; a full-scale sine's peak bin is 1 before the mel
    triangles (HTK, height 1) sum it up; `floor` is added, −100 dB by default. Multiply by 20 / ln 10 for decibels.
    """
    magnitude = unit_magnitudes(signal, n_fft, hop, centred=True)
    return log_mel_of(magnitude, sample_rate, n_fft=n_fft, bands=bands, floor=floor)


def log_mel_of(magnitude: Tensor, sample_rate: int, *, n_fft: int, bands: int, floor: float) -> Tensor:
    """Unit magnitudes (…, n_fft / 2 + 1, frames) to ln of mel magnitudes plus `floor`, (…, bands, frames)."""
    matrix = _mel_matrix(n_fft, sample_rate, bands, magnitude.device, magnitude.dtype)
    return torch.log(matrix @ magnitude + floor)


def unit_magnitudes(signal: Tensor, n_fft: int, hop: int, *, centred: bool, floor: float = 1e-7) -> Tensor:
    """Signals (…, samples) to magnitudes (…, n_fft / 2 + 1, frames), 1 for a full-scale sine, for losses.

    Frames are centred on multiples of hop, zeros beyond the ends; or, not `centred`, only those within the signal.
    """
    spectrum = torch.stft(
        signal.reshape(-1, signal.shape[-1]),
        n_fft,
        hop,
        window=_window(n_fft, signal.device, signal.dtype),
        center=centred,
        pad_mode="constant",
        return_complex=True,
    )
    found = magnitudes(spectrum, floor) * contract.unit_scale(n_fft)
    return found.reshape(*signal.shape[:-1], *found.shape[-2:])


def log_mel_distance_db(signal: Tensor, truth: Tensor, sample_rate: int) -> Tensor:
    """Mean absolute difference of the log-mel spectra of two aligned signals (…, samples), in dB: (…,)."""
    difference = log_mel(signal, sample_rate) - log_mel(truth, sample_rate)
    return difference.abs().mean(dim=(-1, -2)) * (20.0 / 2.302585092994046)


# Kept for ever, so made outside inference mode: a tensor made inside may never take part in training.
@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _window(n_fft: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(contract.window(n_fft)).to(device, dtype)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _synthesis_window(n_fft: int, hop: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(contract.synthesis_window(n_fft, hop)).to(device, dtype)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _mel_matrix(n_fft: int, sample_rate: int, bands: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(contract.mel_matrix(n_fft, sample_rate, bands)).to(device, dtype)
