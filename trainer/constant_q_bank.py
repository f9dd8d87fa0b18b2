"""Constant-Q pictures of a stream of sound: one convolution for each octave, the same in training, in files and live.

    signal ─▶ frame m hears samples [m·hop, m·hop + length)            its block is the `hop` samples in the middle
              conv with ψ_k of bin k, centred in it  ─▶ 2·|Σ x · conj ψ_k|  ─▶ log_unit (batch, 1, bins, frames)

    f_k = f_min · 2^(k / b)     N_k = min(Q · rate / f_k, longest)     ψ_k: Hann-windowed, N_k samples, Σ |ψ_k| = 1

`trainer.cqt` computes the same numbers faster for whole signals, but through one transform of all of time, which no
stream has (held by a test: within 1 % of the loudest, which is what its kernels of whole samples leave open). Here a
frame needs `reach` samples of past and future beside its block, nothing else, so the whole of it exports as a few
convolutions of ONNX. With `longest` the lowest bins hear a shorter time than their Q asks for, as in a variable-Q
transform (Schörkhuber et al., AES 2014), and the delay is shorter. Brown: Calculation of a constant Q spectral
transform, JASA 1991.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError
from trainer import features as twin
from trainer.cqt import C1_HZ
from trainer.pictures import UNIT


class ConstantQBank(nn.Module):
    """Signals (batch, frames · hop + 2 · reach) to log_unit pictures (batch, 1, bins, frames); −1 is silence."""

    def __init__(
        self,
        sample_rate: int,
        hop: int,
        *,
        bins: int,
        bins_per_octave: int,
        fmin_hz: float = C1_HZ,
        longest: int = 0,
    ) -> None:
        """longest: samples that a bin hears at most, 0 for what its Q asks for. ConfigError when bins do not fit."""
        super().__init__()
        self.hop, self.bins = hop, bins
        ratio = 2.0 ** (2.0 / bins_per_octave)
        quality = (ratio + 1) / (ratio - 1)
        self.frequencies_hz = fmin_hz * 2.0 ** (np.arange(bins) / bins_per_octave)
        highest = float(self.frequencies_hz[-1]) * (1 + 0.75 / quality)
        if highest > sample_rate / 2:
            raise ConfigError(
                f"The highest of {bins} bins reaches {highest:.0f} Hz, but {sample_rate} Hz carry "
                f"{sample_rate / 2:.0f}: use fewer bins or a higher rate."
            )
        lengths = quality * sample_rate / self.frequencies_hz
        if longest:
            lengths = np.minimum(lengths, longest)
        # As long as the lowest bin, at least a hop, and with as many samples before the block as behind it.
        self.length = hop + 2 * max(0, math.ceil((lengths.max() + 2 - hop) / 2))
        self.reach = (self.length - hop) // 2
        """Samples before a frame's block, and behind it, that the frame hears."""
        self._sizes: list[int] = []
        kernels = []
        for start in range(0, bins, bins_per_octave):
            part = slice(start, min(bins, start + bins_per_octave))
            size = min(self.length, hop % 2 + 2 * math.ceil((lengths[part].max() + 2 - hop % 2) / 2))
            kernels.append(_phasors(self.frequencies_hz[part] / sample_rate, lengths[part], size))
            self._sizes.append(size)
        for number, kernel in enumerate(kernels):
            self.register_buffer(f"kernel_{number}", torch.from_numpy(kernel), persistent=False)

    def samples(self, frames: int) -> int:
        """Length of the signal that so many frames hear."""
        return int(frames * self.hop + 2 * self.reach)

    def forward(self, signal: Tensor) -> Tensor:
        """See the class; runs in float32."""
        with torch.autocast(signal.device.type, enabled=False):
            return twin.compress(self.magnitudes(signal.float()), UNIT)[:, None]

    def magnitudes(self, signal: Tensor) -> Tensor:
        """Signals (batch, samples) → (batch, bins, frames), 1 for a full-scale sine on the bin's frequency."""
        found = []
        for number, size in enumerate(self._sizes):
            kernel: Tensor = getattr(self, f"kernel_{number}")
            early = (self.length - size) // 2
            heard = functional.conv1d(signal[:, None, early : signal.shape[1] - early], kernel, stride=self.hop)
            found.append(heard.reshape(heard.shape[0], -1, 2, heard.shape[2]).square().sum(2))
        # Silence is 0 exactly (and has no gradient: nothing is learnt through here).
        return torch.sqrt(torch.cat(found, 1))


def _phasors(cycles: np.ndarray, lengths: np.ndarray, size: int) -> np.ndarray:
    """Kernels (2 · bins, 1, size) float32, real and imaginary parts in turns; cycles a sample, lengths in samples."""
    # From the middle of the kernel; the middle of an even size lies between two samples, and only magnitudes are taken.
    time = np.arange(size) - (size - 1) / 2
    window = np.where(
        np.abs(time)[None] < lengths[:, None] / 2, 0.5 + 0.5 * np.cos(2 * np.pi * time[None] / lengths[:, None]), 0.0
    )
    window *= 2.0 / window.sum(1, keepdims=True)
    phase = 2 * np.pi * cycles[:, None] * time[None]
    pair = np.stack([window * np.cos(phase), -window * np.sin(phase)], 1)
    return np.asarray(pair.reshape(-1, 1, size), np.float32)
