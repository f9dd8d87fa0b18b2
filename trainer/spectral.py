"""Losses on the spectrum of sound: several resolutions at once, linear and logarithmic, and per mel band.

    L = Σ over n_fft  ‖S − Ŝ‖₁ / ‖S‖₁ + mean |ln(S + ε) − ln(Ŝ + ε)|  (Engel et al. 2020; Yamamoto et al. 2020)

and a discriminator that looks at log spectra of several resolutions, told which target it should hear (Miyato & Koyama
2018, projection): it makes the noise and the fine structure that a mean cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from trainer import features

EPSILON = 1e-4  # of a window-normalised magnitude: −80 dB, under it nobody hears a difference


def magnitudes(audio: Tensor, n_fft: int) -> Tensor:
    """audio (batch, samples) → magnitudes (batch, bins, frames), 1 for a full-scale sine; hop n_fft / 4."""
    return features.unit_magnitudes(audio, n_fft, n_fft // 4, centred=False, floor=1e-6)


class SpectralLoss(nn.Module):
    """Distance of two batches of sound (batch, samples): see the module's formula, plus log-mel at 2048."""

    def __init__(self, rate: int, sizes: Sequence[int] = (2048, 1024, 512, 256), mel_bands: int = 128) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.mel_size = max(self.sizes)
        self.rate, self.mel_bands = rate, mel_bands

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        """Scalar loss; 0 when equal."""
        total = made.new_zeros(())
        for size in self.sizes:
            a, b = magnitudes(made, size), magnitudes(real, size)
            linear = (a - b).abs().sum((1, 2)) / (b.sum((1, 2)) + EPSILON * b[0].numel())
            total = total + linear.mean() + (torch.log(a + EPSILON) - torch.log(b + EPSILON)).abs().mean()
            if size == self.mel_size:
                seen, wanted = (
                    features.log_mel_of(x, self.rate, n_fft=size, bands=self.mel_bands, floor=EPSILON) for x in (a, b)
                )
                total = total + 2 * (seen - wanted).abs().mean()
        return total / len(self.sizes)


class SpectralDiscriminator(nn.Module):
    """Convolutions over log magnitudes at several resolutions; a map of scores and the features for matching."""

    def __init__(self, targets: int, width: int, sizes: Sequence[int] = (2048, 512)) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.scales = nn.ModuleList()
        for _ in self.sizes:
            norm = nn.utils.parametrizations.weight_norm
            layers = [norm(nn.Conv2d(1, width, (7, 3), (2, 1), (3, 1)))]
            layers += [norm(nn.Conv2d(width, width, (5, 3), (2, 1), (2, 1))) for _ in range(4)]
            self.scales.append(nn.ModuleList(layers))
        self.scores = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for _ in self.sizes)
        self.wanted = nn.ModuleList(nn.Linear(targets, width, bias=False) for _ in self.sizes)

    def forward(self, audio: Tensor, target: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """audio (batch, samples), target (batch, targets) → score maps and features, per resolution."""
        scores, seen = [], []
        for size, layers, score, wanted in zip(self.sizes, self.scales, self.scores, self.wanted, strict=True):
            x = torch.log(magnitudes(audio, size) + EPSILON)[:, None] / 4 + 1
            for layer in cast("nn.ModuleList", layers):
                x = nn.functional.leaky_relu(layer(x), 0.2)
                seen.append(x)
            scores.append(score(x) + (x * wanted(target)[:, :, None, None]).mean(1, keepdim=True))
        return scores, seen
